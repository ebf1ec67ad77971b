import stringWidth from 'string-width';
import type { CommandJson, CommandTargetChangeJson } from '@muster/api-contract';
import { escapeControls, safeJson } from '../terminal/escape.js';
import type { ListOutput } from '../terminal/listing.js';
import { cutToWidth, type Style } from '../terminal/table.js';
import type { TextOutput } from '../terminal/terminal.js';
import { hostOf, words } from './summary.js';

/** Prints the outcomes of one command in one output form. Each call resolves when the reader has kept up. */
export interface OutcomeWriter {
  outcomes(targets: readonly CommandTargetChangeJson[]): Promise<void>;
  end(command: CommandJson): Promise<void>;
}

export interface OutcomeWriterOptions {
  readonly output: ListOutput;
  readonly out: TextOutput;
  readonly style: Style;
  /** Whether to print every effect on a line of its own, as for a dry run. */
  readonly effects: boolean;
}

export function createOutcomeWriter(options: OutcomeWriterOptions): OutcomeWriter {
  switch (options.output) {
    case 'table':
      return new OutcomeLines(options);
    case 'ndjson':
      return new OutcomeObjects(options.out);
    case 'json':
      return new OutcomeDocument(options.out);
  }
}

const FIRST_HOST_WIDTH = 16;
const LAST_HOST_WIDTH = 40;
/** The longest state is `unsupported`. */
const STATE_WIDTH = 11;

/** A line for each outcome as it comes: host, state, message. */
class OutcomeLines implements OutcomeWriter {
  readonly #options: OutcomeWriterOptions;
  #hostWidth = FIRST_HOST_WIDTH;

  constructor(options: OutcomeWriterOptions) {
    this.#options = options;
  }

  async outcomes(targets: readonly CommandTargetChangeJson[]): Promise<void> {
    const text = targets.map((target) => this.#lines(target)).join('');
    if (text !== '') await this.#options.out.write(text);
  }

  async end(): Promise<void> {}

  #lines(target: CommandTargetChangeJson): string {
    const { style, effects } = this.#options;
    const host = escapeControls(hostOf(target));
    // Hosts are not known in advance: the column grows and never shrinks.
    this.#hostWidth = Math.min(Math.max(this.#hostWidth, stringWidth(host)), LAST_HOST_WIDTH);
    const name = pad(this.#cut(host, 0), this.#hostWidth);
    const state = pad(words(target.state), STATE_WIDTH);
    const used = stringWidth(name) + STATE_WIDTH + 4;
    const line =
      `${name}  ${target.state === 'succeeded' ? style.green(state) : style.red(state)}  ${this.#cut(escapeControls(target.message), used)}`.trimEnd();
    const more = effects ? (target.effects ?? []).map((effect) => `    ${this.#cut(escapeControls(effect), 4)}`) : [];
    return [line, ...more].map((one) => `${one}\n`).join('');
  }

  #cut(text: string, used: number): string {
    const { columns } = this.#options.out;
    return columns === undefined ? text : cutToWidth(text, Math.max(columns - used, FIRST_HOST_WIDTH));
  }
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)));
}

class OutcomeObjects implements OutcomeWriter {
  readonly #out: TextOutput;

  constructor(out: TextOutput) {
    this.#out = out;
  }

  async outcomes(targets: readonly CommandTargetChangeJson[]): Promise<void> {
    const text = targets.map((target) => `${safeJson(target)}\n`).join('');
    if (text !== '') await this.#out.write(text);
  }

  async end(): Promise<void> {}
}

/** One document, written as outcomes come: `{"outcomes":[…],"command":{…}}`. */
class OutcomeDocument implements OutcomeWriter {
  readonly #out: TextOutput;
  #count = 0;

  constructor(out: TextOutput) {
    this.#out = out;
  }

  async outcomes(targets: readonly CommandTargetChangeJson[]): Promise<void> {
    for (const target of targets) {
      await this.#out.write(`${this.#count === 0 ? '{"outcomes":[' : ','}\n${safeJson(target)}`);
      this.#count += 1;
    }
  }

  async end(command: CommandJson): Promise<void> {
    await this.#out.write(`${this.#count === 0 ? '{"outcomes":[' : '\n'}],\n"command":${safeJson(command)}}\n`);
  }
}
