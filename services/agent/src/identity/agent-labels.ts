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
  /** Called after the labels have changed and are stored. */
  readonly onChange: () => void;
}

const storedSchema = z.record(z.string(), z.string().nullable());

/**
 * The labels of this agent: those of its configuration, and changes by commands. Only the changes are stored, in
 * `labels.json`, with null for a removed label; they override the configuration.
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

  /** On disk when it returns. Throws the errors of the file system; then nothing has changed. */
  write(labels: Labels): void {
    const [configured, next] = [new Map(Object.entries(this.#options.configured)), new Map(Object.entries(labels))];
    const changes = new Map<string, string | null>();
    for (const [key, value] of next) if (configured.get(key) !== value) changes.set(key, value);
    for (const key of configured.keys()) if (!next.has(key)) changes.set(key, null);
    writeFileAtomic(this.#path, `${JSON.stringify(Object.fromEntries(changes))}\n`);
    this.#changes = changes;
    this.#options.onChange();
  }

  /** An unreadable file must not keep the agent from starting: it is ignored, with an error in the log. */
  #load(): ReadonlyMap<string, string | null> {
    const { logger } = this.#options;
    const parsed = storedSchema.safeParse(parseJson(this.#readFile() ?? '{}'));
    const set = Object.entries(parsed.data ?? {}).flatMap(([key, value]) => (value === null ? [] : [[key, value]]));
    if (parsed.success && labelFaults(Object.fromEntries(set) as Labels).length === 0) {
      return new Map(Object.entries(parsed.data));
    }
    logger.error('the stored labels cannot be read; those of the configuration are used', { path: this.#path });
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
