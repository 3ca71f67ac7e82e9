// All activities of a worker: those of every file, each made an attempt in one place.
import type { Activities, Steps } from '../src/contract/activities';
import { accessActivities } from './access';
import { attempt } from './attempt';
import { authorityActivities } from './authority';
import { binaryActivities } from './binary';
import type { ActivityDeps } from './deps';
import { claimListActivities } from './claim-list';
import { echoActivities } from './echo';
import { exportActivities } from './export';
import { gatewayActivities } from './gateway';
import { importActivities } from './import';
import { inventoryActivities } from './inventory';
import { measureActivities } from './measure';
import { owedCleanupActivities } from './owed-cleanup';
import { peeringActivities } from './peering';
import { preflightActivities } from './preflight';
import { recordingActivities } from './recording';
import { registerActivities } from './register';
import { verifyActivities } from './verify';

/** The activities, ready to be given to a worker. */
export function createActivities(deps: ActivityDeps): Activities {
  const steps: Steps = {
    ...binaryActivities(deps),
    ...authorityActivities(deps),
    ...preflightActivities(deps),
    ...inventoryActivities(deps),
    ...gatewayActivities(deps),
    ...peeringActivities(deps),
    ...exportActivities(deps),
    ...importActivities(deps),
    ...accessActivities(deps),
    ...verifyActivities(deps),
    ...echoActivities(deps),
    ...measureActivities(deps),
    ...recordingActivities(deps),
    ...registerActivities(),
    ...owedCleanupActivities(),
    ...claimListActivities(deps),
  };
  const activities = Object.entries(steps).map(([name, step]) => [name, attempt(step as (input: unknown) => Promise<unknown>)]);
  return Object.fromEntries(activities) as Activities;
}
