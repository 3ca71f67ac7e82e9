// The archive of an incident, gathered in memory: every entry is redacted, bounded and freed of control characters in one place, here,
// before it is written.
import { Header, Pack, ReadEntry } from 'tar';
import { isFabricError } from '../../errors/fabric-error';
import { plain } from '../../errors/plain-text';
import { entryPath } from './entry-path';
import { Redactor } from './redactor';

/** All entries together, before they are compressed. */
const MAX_ARCHIVE_BYTES = 64 * 1024 * 1024;
const MAX_LOG_BYTES = 1024 * 1024;
const FILE_MODE = 0o600;

/** An archive that is ready to be written. */
export interface PackedArchive {
  readonly bytes: Buffer;
  readonly entries: number;
  /** Places that were blanked. */
  readonly redactions: number;
  /** Sources that could not be had, one a line. */
  readonly problems: readonly string[];
  /** Entries that were cut or left out, one a line. */
  readonly cuts: readonly string[];
  /** What to look at first, one a line. */
  readonly leads: readonly string[];
}

/** What is collected of an incident. */
export class Archive {
  private readonly redactor = new Redactor();
  private readonly entries = new Map<string, { readonly content: unknown; readonly isLog: boolean }>();
  private readonly problems: string[] = [];

  /** @param name of the folder that holds everything */
  constructor(
    private readonly name: string,
    private readonly maxBytes = MAX_ARCHIVE_BYTES,
  ) {}

  /** How many entries there are. */
  get size(): number {
    return this.entries.size;
  }

  /** Adds an entry: text as it is, anything else as JSON. */
  add(path: readonly string[], content: unknown): void {
    this.entries.set(entryPath([this.name, ...path]), { content, isLog: false });
  }

  /** Adds a log, of which the end counts. */
  addLog(path: readonly string[], content: string): void {
    this.entries.set(entryPath([this.name, ...path]), { content, isLog: true });
  }

  /** From now on this value is a known secret: it is blanked wherever it occurs. */
  learnSecret(value: string): void {
    this.redactor.learn(value);
  }

  /** Notes that a source could not be had. */
  problem(source: string, error: unknown): void {
    this.problems.push(`${source}: ${whyOf(error)}`);
  }

  /** What the source gives; one that fails becomes a line of problems.txt, and `undefined`. */
  async attempt<T>(source: string, read: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      this.problem(source, error);
      return undefined;
    }
  }

  /** Redacts, bounds and packs everything, sorted by path. @param about heads about.txt @param leads what to look at first */
  async pack(time: Date, about: readonly string[], leads: readonly string[]): Promise<PackedArchive> {
    const redactor = this.redactor;
    const cuts: string[] = [];
    const files = new Map<string, Buffer>();
    for (const [path, { content, isLog }] of this.entries) {
      const file = Buffer.from(
        plain(typeof content === 'string' ? redactor.text(content) : `${JSON.stringify(redactor.value(content), null, 2)}\n`),
      );
      files.set(path, isLog ? endOf(file, path, cuts) : file);
    }
    this.leaveOutLargest(files, cuts);
    const told = { problems: this.problems, leads, cuts: cuts.sort(), about };
    const lines = redactor.value({ ...told, problems: [...told.problems].sort() }) as typeof told;
    const put = (name: string, text: readonly string[]): unknown =>
      files.set(entryPath([this.name, name]), Buffer.from(`${plain(text.join('\n'))}\n`));
    put('problems.txt', lines.problems.length === 0 ? ['Everything that was asked for could be had.'] : lines.problems);
    put('look-first.txt', lines.leads.length === 0 ? ['Nothing that is not well was found.'] : lines.leads);
    put('about.txt', [
      ...lines.about,
      '',
      `Redactions: ${redactor.count} (each reads [redacted])`,
      `Cut or left out: ${lines.cuts.length === 0 ? 'nothing' : ''}`,
      ...lines.cuts.map((line) => `  ${line}`),
    ]);
    return { ...lines, bytes: await tarOf(files, time), entries: files.size, redactions: redactor.count };
  }

  /** What is small is kept, for it is most of the entries and least of the bytes. */
  private leaveOutLargest(files: Map<string, Buffer>, cuts: string[]): void {
    let room = this.maxBytes;
    for (const [path, { length }] of [...files].sort(([a, { length: one }], [b, { length: other }]) => one - other || (a < b ? -1 : 1))) {
      room -= length;
      if (room >= 0) continue;
      files.delete(path);
      cuts.push(`${path}: left out (${length} bytes), for the archive would pass ${this.maxBytes} bytes`);
    }
  }
}

function endOf(log: Buffer, path: string, cuts: string[]): Buffer {
  if (log.length <= MAX_LOG_BYTES) return log;
  const start = log.indexOf('\n', log.length - MAX_LOG_BYTES) + 1 || log.length - MAX_LOG_BYTES;
  cuts.push(`${path}: only its last ${log.length - start} of ${log.length} bytes`);
  return log.subarray(start);
}

function tarOf(files: ReadonlyMap<string, Buffer>, mtime: Date): Promise<Buffer> {
  const pack = new Pack({ gzip: true, portable: true });
  for (const [path, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const entry = new ReadEntry(new Header({ path, mode: FILE_MODE, size: content.length, type: 'File', mtime }));
    pack.add(entry);
    entry.end(content);
  }
  pack.end();
  return pack.concat();
}

function whyOf(error: unknown): string {
  if (isFabricError(error)) return error.hint === undefined ? error.message : `${error.message} Hint: ${error.hint}`;
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== error.message ? `${error.message}: ${error.cause.message}` : error.message;
}
