// `--allow-exec`: which credential plugins of kubeconfigs this process may run. None, unless somebody says so: a kubeconfig is often
// made by others, and names a program with its arguments.
import type { Option } from 'commander';
import { listOption, type FlagValues } from './request-flags';

/** The flag. */
export function allowExecOption(): Option {
  return listOption(
    '--allow-exec <commands>',
    'credential plugins that kubeconfigs may have run, by name or path, as in aws,gke-gcloud-auth-plugin, or all (default: $SKYFABRIC_ALLOW_EXEC, else none)',
  );
}

/** The plugins that the flag, else the environment, allows. */
export function readAllowExec(values: FlagValues, env: NodeJS.ProcessEnv): readonly string[] {
  const given = (values['allowExec'] as readonly string[] | undefined) ?? (env['SKYFABRIC_ALLOW_EXEC'] ?? '').split(',');
  return given.map((command) => command.trim()).filter((command) => command !== '');
}
