import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import type { ApiClient } from '@muster/api-client';
import type { FeedJson } from '@muster/api-contract';
import { LIMITS, type FeedKind } from '@muster/protocol';
import { readFeedRecord } from '@muster/vulnerabilities';
import type { EcosystemFilter } from './ecosystem-filter.js';
import { feedRecords, type RecordOptions } from './feed-records.js';
import { feedTexts } from './feed-sources.js';

export interface FeedImport extends RecordOptions {
  readonly name: string;
  readonly kind: FeedKind;
  readonly sources: readonly string[];
  /** Of OSV records. */
  readonly filter?: EcosystemFilter | undefined;
  readonly onProgress: (records: number) => void;
}

const deflate = promisify(deflateRaw);
/** Characters of one part. */
const PART_CHARS = 2 * 1024 * 1024;
const FAULTS = 20;
const FAULT_CHARS = 300;
// oxlint-disable-next-line no-control-regex -- control characters are what it replaces
const CONTROL = /[\u0000-\u001f\u007f]/g;

/** Sends the records of all sources in parts, without what matching does not read. @throws CliError, ApiProblem */
export async function importFeed(
  client: ApiClient,
  { name, kind, sources, filter, onProgress, ...options }: FeedImport,
): Promise<FeedJson> {
  const { upload } = await client.call('POST /v1/feeds/{name}/uploads', { params: { name }, body: { kind } });
  const parts = new PartSender(client, name, upload);
  let records = 0;
  for (const source of sources)
    for await (const text of feedTexts(source)) {
      if ('skipped' in text) {
        parts.refuse(`${text.name}: ${text.skipped}`);
        continue;
      }
      for await (const one of feedRecords(kind, text, options)) {
        const read = 'fault' in one ? { ok: false as const, message: one.fault } : readFeedRecord(kind, one.text);
        const kept =
          read.ok && filter !== undefined ? filter.take(read.record) : read.ok ? read.record.text : undefined;
        if (kept !== undefined) await parts.add(kept);
        else if (!read.ok) parts.refuse('fault' in one ? read.message : `${text.name}: ${read.message}`);
        records += 1;
        if (records % 1_000 === 0) onProgress(records);
      }
    }
  filter?.check();
  const body = { upload, parts: await parts.end() };
  return client.call('POST /v1/feeds/{name}/versions', { params: { name }, body });
}

class PartSender {
  readonly #client: ApiClient;
  readonly #name: string;
  readonly #upload: string;
  #lines: string[] = [];
  #chars = 0;
  #sent = 0;
  #refused = 0;
  #faults: string[] = [];

  constructor(client: ApiClient, name: string, upload: string) {
    this.#client = client;
    this.#name = name;
    this.#upload = upload;
  }

  async add(text: string): Promise<void> {
    if (this.#chars + text.length > PART_CHARS) await this.#flush();
    this.#lines.push(text);
    this.#chars += text.length;
  }

  refuse(message: string): void {
    this.#refused += 1;
    // Control characters of a file would be refused as a whole.
    const text = message.replaceAll(CONTROL, ' ').toWellFormed().trim().slice(0, FAULT_CHARS);
    if (this.#faults.length < FAULTS && text !== '') this.#faults.push(text.toWellFormed());
  }

  /** How many parts there are. */
  async end(): Promise<number> {
    if (this.#lines.length > 0) await this.#flush();
    // What was refused after the last part is told with one without records.
    if (this.#refused > 0 || this.#sent === 0) await this.#flush();
    return this.#sent;
  }

  async #flush(): Promise<void> {
    const lines = this.#lines;
    [this.#lines, this.#chars] = [[], 0];
    await this.#send(lines);
  }

  /** In halves, where it is too large: records that hardly compress. */
  async #send(lines: readonly string[]): Promise<void> {
    const data = await deflate(lines.join('\n'));
    if (data.length > LIMITS.feedPartBytes && lines.length > 1) {
      const middle = lines.length >> 1;
      await this.#send(lines.slice(0, middle));
      return this.#send(lines.slice(middle));
    }
    if (data.length > LIMITS.feedPartBytes) return this.refuse('a record is too large when it is compressed');
    const body = { data: data.toString('base64'), refused: this.#refused, faults: this.#faults };
    [this.#refused, this.#faults] = [0, []];
    const params = { name: this.#name };
    await this.#client.call('PUT /v1/feeds/{name}/parts', {
      params,
      body: { upload: this.#upload, part: this.#sent, ...body },
    });
    this.#sent += 1;
  }
}
