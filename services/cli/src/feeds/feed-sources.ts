import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, opendir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline as joined, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';
import { types } from 'node:util';
import { createGunzip } from 'node:zlib';
import { getFileNameLowLevel, openPromise, validateFileName, type Entry } from 'yauzl';
import { CliError, usageError } from '../terminal/cli-error.js';

/** One text with records. */
export interface SourceText {
  readonly name: string;
  readonly chunks: AsyncIterable<string>;
}

/** What may have records and is not read. */
interface SkippedText {
  readonly name: string;
  readonly skipped: string;
}

/** What is downloaded at most. */
const DOWNLOAD_BYTES = 8 * 1024 ** 3;
const TEXT_FILE = /\.(?:json|jsonl|ndjson|csv)$/i;
const PACKED_FILE = /\.(?:zip|gz)$/i;
const MAX_ENTRIES = 4_000_000;

/**
 * The texts of a file, a folder (with the folders in it) or an address: JSON, NDJSON and CSV, also compressed with gzip
 * or in a zip. Links in a folder and packed files in a zip are not read, which is told. Nothing is held in memory but
 * one chunk. @throws CliError
 */
export async function* feedTexts(source: string): AsyncGenerator<SourceText | SkippedText> {
  if (/^https?:\/\//i.test(source)) {
    yield* download(source);
    return;
  }
  const found = await stat(source).catch(() => undefined);
  if (found === undefined) throw usageError(`${source} is no file, folder or address`);
  if (found.isDirectory()) yield* folderTexts(source);
  else yield* fileTexts(source);
}

async function* folderTexts(folder: string): AsyncGenerator<SourceText | SkippedText> {
  for await (const entry of told(folder, await opendir(folder, { recursive: true }).catch(unread(folder)))) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) yield { name: path, skipped: 'a link in a folder is not followed' };
    else if (entry.isFile() && PACKED_FILE.test(entry.name)) yield* fileTexts(path);
    else if (entry.isFile() && TEXT_FILE.test(entry.name))
      yield { name: path, chunks: decoded(path, createReadStream(path)) };
  }
}

/** By its first bytes, not by its name. */
async function* fileTexts(path: string): AsyncGenerator<SourceText | SkippedText> {
  const start = (await firstBytes(path).catch(unread(path))).readUInt16BE(0);
  if (start === 0x504b) yield* zipTexts(path);
  // Joined, so that what fails in the file fails where it is read.
  else if (start === 0x1f8b)
    yield {
      name: path,
      chunks: decoded(
        path,
        joined(createReadStream(path), createGunzip(), () => undefined),
      ),
    };
  else yield { name: path, chunks: decoded(path, createReadStream(path)) };
}

async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path);
  const buffer = Buffer.alloc(4);
  try {
    await file.read(buffer, 0, 4, 0);
    return buffer;
  } finally {
    await file.close();
  }
}

async function* zipTexts(path: string): AsyncGenerator<SourceText | SkippedText> {
  // With names as they are: the library ends at the first that it refuses.
  const options = { lazyEntries: true, autoClose: false, decodeStrings: false };
  const zip = await openPromise(path, options).catch((cause: unknown) => {
    throw new CliError(`${path} is no zip that can be read`, { cause });
  });
  try {
    let entries = 0;
    let last = 'its first entry';
    for await (const entry of told(() => `${path}: what follows ${last}`, zip.eachEntry())) {
      if ((entries += 1) > MAX_ENTRIES) throw new CliError(`${path} has more than ${MAX_ENTRIES} entries`);
      const name = nameOf(entry);
      const place = `${path}: ${name}`;
      last = name;
      if (PACKED_FILE.test(name)) yield { name: place, skipped: 'a packed file in a zip is not read' };
      if (!TEXT_FILE.test(name)) continue;
      const refused = validateFileName(name);
      const stream = refused ?? (await zip.openReadStreamPromise(entry).catch(messageOf));
      if (typeof stream === 'string') yield { name: place, skipped: stream };
      else yield { name, chunks: decoded(place, stream) };
    }
  } finally {
    zip.close();
  }
}

function nameOf({ generalPurposeBitFlag, fileNameRaw, extraFields }: Entry): string {
  return getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, false);
}

/** A zip is read from its end, so the whole file comes first. */
async function* download(address: string): AsyncGenerator<SourceText | SkippedText> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-feed-'));
  try {
    const response = await fetch(address).catch((cause: unknown) => {
      throw new CliError(`${address} cannot be reached`, { cause });
    });
    if (!response.ok || response.body === null) throw new CliError(`${address} answers ${response.status}`);
    const file = join(folder, 'feed');
    await pipeline(Readable.fromWeb(response.body as never), bounded, createWriteStream(file)).catch(unread(address));
    yield* fileTexts(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* bounded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > DOWNLOAD_BYTES) throw new CliError(`the feed has more than ${DOWNLOAD_BYTES} bytes`);
    yield chunk;
  }
}

async function* decoded(name: string, stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  for await (const chunk of told(name, stream)) yield decoder.write(chunk);
  yield decoder.end();
}

/** The same; what fails in it is told with where that is. @throws CliError */
async function* told<T>(name: string | (() => string), items: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    unread(typeof name === 'string' ? name : name())(error);
  }
}

function unread(name: string): (cause: unknown) => never {
  return (cause) => {
    if (cause instanceof CliError) throw cause;
    throw new CliError(`${name} cannot be read: ${messageOf(cause)}`, { cause });
  };
}

const messageOf = (error: unknown): string => (types.isNativeError(error) ? error.message : String(error));
