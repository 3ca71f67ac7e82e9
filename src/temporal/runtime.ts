// Configures the SDK's one runtime per process: quiet logs that go where the caller wants them, and no signal handlers.
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { errorText } from './command';

/** TRACE is left out on purpose: it prints payloads. */
export type LogLevel = 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';

export interface RuntimeSettings {
  /** Default: `WARN`. */
  readonly level?: LogLevel;
  /** Receives each log line, without a newline. */
  readonly write: (line: string) => void;
}

/** The parts of a log entry that say what it is about; all else stays out of the line. */
const SHOWN = ['workflowType', 'workflowId', 'activityType', 'attempt', 'taskQueue'];

let installed = false;

/** Installs the runtime, once; later calls change nothing. Must come before the first worker or worker connection. */
export function installRuntime({ level = 'WARN', write }: RuntimeSettings): void {
  if (installed) return;
  installed = true;
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger(level, (entry) => write(logLine(entry.level, entry.message, entry.meta ?? {}))),
    telemetryOptions: { logging: { filter: { core: level, other: 'ERROR' }, forward: {} } },
  });
}

function logLine(level: string, message: string, meta: Record<string, unknown>): string {
  const facts = SHOWN.filter((name) => meta[name] !== undefined).map((name) => `${name}=${String(meta[name])}`);
  const { error } = meta;
  if (error !== undefined) facts.push(`error=${errorText(error)}`);
  return [level, message, ...facts].join(' ');
}
