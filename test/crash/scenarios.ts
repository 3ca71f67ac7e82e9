// The workflows that are killed, each in its setting.
import type { Lane, Scenario } from './lane';

const RECORD = 'fabric/record-in-register';

const connected = async (lane: Lane): Promise<void> => {
  await lane.bootstrap();
  await lane.connect();
};

export const SCENARIOS: readonly Scenario[] = [
  {
    title: 'BootstrapFabric',
    kind: 'BootstrapFabric',
    prepare: async () => undefined,
    input: (lane) => lane.bootstrapRequest(),
    revert: (lane) => lane.harness.succeed('TeardownFabric', lane.teardownRequest()),
    lastStep: RECORD,
  },
  {
    title: 'BootstrapFabric, again with other options',
    kind: 'BootstrapFabric',
    prepare: (lane) => lane.bootstrap(),
    input: (lane) => ({ ...lane.bootstrapRequest(), clusterlink: { tag: 'v0.4.2', dataplaneReplicas: 2 } }),
    revert: (lane) => lane.bootstrap(),
    lastStep: RECORD,
  },
  {
    title: 'ConnectServiceAcrossClusters',
    kind: 'ConnectServiceAcrossClusters',
    prepare: (lane) => lane.bootstrap(),
    input: (lane) => lane.connectRequest(),
    revert: (lane) => lane.harness.succeed('DisconnectService', lane.disconnectRequest()),
    lastStep: RECORD,
    answer: 'west',
  },
  {
    title: 'DisconnectService',
    kind: 'DisconnectService',
    prepare: connected,
    input: (lane) => lane.disconnectRequest(),
    revert: (lane) => lane.connect(),
    lastStep: RECORD,
    answer: 'refused',
  },
  {
    title: 'EstablishLink',
    kind: 'EstablishLink',
    prepare: (lane) => lane.bootstrap('unlinked'),
    input: (lane) => lane.linkRequest(),
    revert: (lane) => lane.harness.succeed('TeardownLink', lane.unlinkRequest()),
    lastStep: RECORD,
  },
  {
    title: 'TeardownLink, forced',
    kind: 'TeardownLink',
    prepare: connected,
    input: (lane) => lane.unlinkRequest(),
    revert: async (lane) => {
      await lane.harness.succeed('EstablishLink', lane.linkRequest());
      await lane.connect();
    },
    lastStep: RECORD,
    answer: 'refused',
  },
  {
    // It only goes forward: there is nothing to undo.
    title: 'TeardownFabric',
    kind: 'TeardownFabric',
    prepare: connected,
    input: (lane) => lane.teardownRequest(),
    revert: connected,
  },
  {
    title: 'VerifyFabric',
    kind: 'VerifyFabric',
    prepare: connected,
    input: (lane) => lane.verifyRequest(),
    revert: async () => undefined,
    lastStep: 'east/measure-the-way-to-west',
    answer: 'west',
  },
];

/** The scenario of this title. */
export function scenarioOf(title: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.title === title);
  if (found === undefined) throw new Error(`there is no scenario ${title}`);
  return found;
}
