// GuardFabric: the fabric's one long-running workflow. It keeps the register that the other workflows tell and read.
import {
  CancellationScope,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { enterSignal, leaveSignal, presentQuery, recordSignal, registerQuery } from '../src/contract/messages';
import { withoutPresence, withPresence, type Presence } from '../src/contract/presence';
import { emptyRegister, type Register } from '../src/contract/register';
import { FABRIC_ATTRIBUTE, findableBy, PEERS_ATTRIBUTE } from '../src/contract/search-attributes';
import { afterTakingBack, afterTelling, withoutRun, type Telling } from '../src/contract/tellings';
import { linkName } from '../src/model/topology';
import { cell } from './markdown';
import { patched } from './patches';

/** Input of GuardFabric; the register is given by the run before it. */
interface GuardInput {
  readonly fabric: string;
  readonly register?: Register;
  /** Runs at work. */
  readonly present?: readonly Presence[];
  /** What those have told. */
  readonly tellings?: readonly Telling[];
}

/** Runs while the fabric has peers, or somebody is at work on some. */
export async function GuardFabric(input: GuardInput): Promise<void> {
  let register = input.register ?? emptyRegister(input.fabric);
  let present = input.present ?? [];
  let tellings = input.tellings ?? [];
  let told = input.register !== undefined;
  const publish = (): void => {
    upsertSearchAttributes([
      { key: FABRIC_ATTRIBUTE, value: register.fabric },
      { key: PEERS_ATTRIBUTE, value: findableBy(register.peers.map(({ name }) => name)) },
    ]);
    setCurrentDetails(registerTable(register));
  };
  setHandler(registerQuery, () => register);
  setHandler(recordSignal, (change) => {
    const [takenBack] = change.removeRuns ?? [];
    if (takenBack !== undefined && patched('taken-back-exactly'))
      ({ register, tellings } = afterTakingBack({ register, tellings }, takenBack));
    else ({ register, tellings } = afterTelling({ register, tellings }, change));
    told = true;
    publish();
  });
  setHandler(presentQuery, () => present);
  setHandler(enterSignal, (one) => {
    present = withPresence(present, one);
    told = true;
  });
  setHandler(leaveSignal, (one) => {
    present = withoutPresence(present, one);
    tellings = withoutRun(tellings, one.runId);
  });
  publish();
  const isOver = (): boolean => register.peers.length === 0 && present.length === 0;
  // Nobody's cancellation ends it: without their register gateways would stand, and no command would know them.
  await CancellationScope.nonCancellable(() => condition(() => (told && isOver()) || workflowInfo().continueAsNewSuggested));
  if (!isOver()) await continueAsNew<typeof GuardFabric>({ fabric: input.fabric, register, present, tellings });
}

function registerTable({ peers, links, connections }: Register): string {
  return [
    '| peer | context | gateway |',
    '|---|---|---|',
    ...peers.map(({ name, context, endpoint }) => `| ${name} | ${cell(context)} | ${endpoint.host}:${endpoint.port} |`),
    '',
    `Links: ${links.map(linkName).join(', ') || 'none'}`,
    '',
    `Connections: ${connections.map(({ service, imports }) => `${service.namespace}/${service.name} → ${Object.keys(imports).join(', ')}`).join('; ') || 'none'}`,
  ].join('\n');
}
