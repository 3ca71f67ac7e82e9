// The version of this package, wherever it was compiled to.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The version in the nearest package.json above this file. */
export function packageVersion(): string {
  for (let directory = __dirname; ; directory = dirname(directory)) {
    try {
      const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { version: string };
      return version;
    } catch (error) {
      if (directory === dirname(directory)) throw error;
    }
  }
}
