// What a simulated container runs. An image is no more than the choice of a program that lives in this process.
import type { PodIdentity, PodNetwork } from '../network';

/** Files of a container by absolute path. */
export type Files = ReadonlyMap<string, string>;

/** A started container, as its program sees it. */
export interface Container {
  readonly pod: PodIdentity & { readonly uid: string; readonly ip: string };
  readonly image: string;
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly ports: readonly number[];
  readonly network: PodNetwork;
  /** The mounted files. Those of whole folders follow their Secret; those mounted by subPath stay as they were at the start. */
  files(): Files;
  /** Calls back whenever `files()` has changed. */
  onFilesChanged(listener: () => void): void;
  /** Ends the container by itself. A code other than 0 is a crash for pods that are restarted. */
  exit(code: number, message: string): void;
}

/** A running program; `stop` frees all it holds, at once. */
export interface RunningProgram {
  stop(): void;
}

/** One thing that containers can run. */
export interface Program {
  runs(container: Pick<Container, 'image' | 'env'>): boolean;
  /** Starts it; a rejection is a crash, and its message is what `kubectl describe` shows. */
  start(container: Container): Promise<RunningProgram>;
}

/** The last part of an image's path, without registry and tag. */
export function imageName(image: string): string {
  return (image.split('/').at(-1) ?? image).replace(/[:@].*$/, '');
}
