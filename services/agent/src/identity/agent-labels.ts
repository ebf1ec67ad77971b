import { join } from 'node:path';
import { labelFaults, type Labels } from '@muster/protocol';
import type { Logger } from '@muster/runtime/program';
import { z } from 'zod';
import { readFileIfThere, writeFileAtomic } from '../store/atomic-file.js';

export interface AgentLabelsOptions {
  readonly folder: string;
  /** `MUSTER_LABELS` */
  readonly configured: Labels;
  readonly logger: Logger;
  /** They are other ones now, and on disk. */
  readonly onChange: () => void;
}

const storedSchema = z.record(z.string(), z.string().nullable());

/**
 * The labels that this agent says of itself: those of its configuration, and what was ordered since. Only the difference is on disk, in
 * `labels.json`, with null for a label that was taken away; it wins over the configuration.
 */
export class AgentLabels {
  readonly #options: AgentLabelsOptions;
  readonly #path: string;
  #changes: ReadonlyMap<string, string | null>;

  constructor(options: AgentLabelsOptions) {
    this.#options = options;
    this.#path = join(options.folder, 'labels.json');
    this.#changes = this.#load();
  }

  read(): Labels {
    const labels = new Map(Object.entries(this.#options.configured));
    for (const [key, value] of this.#changes) {
      if (value === null) labels.delete(key);
      else labels.set(key, value);
    }
    return Object.fromEntries(labels);
  }

  /** On disk when it returns. Throws what the file system throws, and then nothing has changed. */
  write(labels: Labels): void {
    const [configured, next] = [new Map(Object.entries(this.#options.configured)), new Map(Object.entries(labels))];
    const changes = new Map<string, string | null>();
    for (const [key, value] of next) if (configured.get(key) !== value) changes.set(key, value);
    for (const key of configured.keys()) if (!next.has(key)) changes.set(key, null);
    writeFileAtomic(this.#path, `${JSON.stringify(Object.fromEntries(changes))}\n`);
    this.#changes = changes;
    this.#options.onChange();
  }

  /** Labels are not worth an agent that does not start: what cannot be read is ignored, loudly. */
  #load(): ReadonlyMap<string, string | null> {
    const { logger } = this.#options;
    const parsed = storedSchema.safeParse(parseJson(this.#readFile() ?? '{}'));
    const set = Object.entries(parsed.data ?? {}).flatMap(([key, value]) => (value === null ? [] : [[key, value]]));
    if (parsed.success && labelFaults(Object.fromEntries(set) as Labels).length === 0) {
      return new Map(Object.entries(parsed.data));
    }
    logger.error('labels that were ordered cannot be read; those of the configuration count', { path: this.#path });
    return new Map();
  }

  #readFile(): string | undefined {
    try {
      return readFileIfThere(this.#path);
    } catch {
      return '';
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads a list of `key=value`; `faults` says what is wrong with it. */
export function parseLabels(list: readonly string[]): { labels: Labels; faults: readonly string[] } {
  const labels: Record<string, string> = {};
  const faults: string[] = [];
  for (const item of list) {
    const [key, value] = splitOnce(item, '=');
    if (value === undefined) faults.push(`has "${item}", which is not of the form key=value`);
    else if (Object.hasOwn(labels, key)) faults.push(`has the label "${key}" twice`);
    else labels[key] = value;
  }
  return { labels, faults: [...faults, ...labelFaults(labels).map((fault) => `has a fault: ${fault}`)] };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}
