// Reads an archive back: every entry's path, kind, mode and text.
import { list, type ReadEntry } from 'tar';

export interface ArchiveEntry {
  readonly type: string;
  readonly mode: number | undefined;
  readonly text: string;
}

export async function readArchive(file: string): Promise<Map<string, ArchiveEntry>> {
  const entries = new Map<string, ArchiveEntry>();
  const reading: Promise<void>[] = [];
  await list({
    file,
    strict: true,
    onReadEntry: (entry: ReadEntry) => {
      const { path, type, mode } = entry;
      reading.push(entry.concat().then((content) => void entries.set(path, { type, mode, text: content.toString('utf8') })));
    },
  });
  await Promise.all(reading);
  return entries;
}
