// The `clusterlink` program on the worker, for operators who also want to look by hand. Nothing else here needs it.
import type { Steps } from '../src/contract/activities';
import { installRelease } from '../src/clusterlink/release';
import { signal, tellProgress } from './activity-context';
import type { ActivityDeps } from './deps';

/** `installBinary`. @throws as installRelease says */
export function binaryActivities({ releaseDirectory }: ActivityDeps): Pick<Steps, 'installBinary'> {
  return {
    async installBinary({ options }) {
      tellProgress(`clusterlink ${options.tag}`);
      const { path, digest, installed } = await installRelease({
        tag: options.tag,
        directory: releaseDirectory,
        source: options.source,
        digest: options.sha256,
        signal: signal(),
      });
      return { changed: installed, note: installed ? `installed ${options.tag}` : `${options.tag} was there`, path, sha256: digest };
    },
  };
}
