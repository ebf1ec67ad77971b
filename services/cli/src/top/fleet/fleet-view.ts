import { ConnectionError, isTransient } from '@muster/api-client';
import type { CommandEnv } from '../../environment/command-env.js';
import { escapeControls } from '../../terminal/escape.js';
import type { ScreenSize } from '../../terminal/screen.js';
import { styleFor, type Style } from '../../terminal/table.js';
import type { View } from '../../view/view-loop.js';
import { fleetLines } from './fleet-screen.js';
import { FLEET_COLUMNS, type FleetRow, type FleetTop, type TopBy } from './fleet-top.js';

export interface FleetOptions {
  readonly by: TopBy;
  readonly selector: string;
  /** Undefined: as many as there are lines. */
  readonly limit: number | undefined;
}

/** Endpoints send a sample a minute while nobody watches them. */
const REFRESH_MS = 5_000;
const MOST_ROWS = 1_000;
const ROWS_BEFORE_SIZE = 50;

/** The endpoints with the most of something, on the whole terminal. */
export class FleetView implements View {
  readonly #env: CommandEnv;
  readonly #options: FleetOptions;
  readonly #style: Style;
  #by: TopBy;
  #rows = ROWS_BEFORE_SIZE;
  #top: FleetTop | undefined;
  #gotMs: number | undefined;
  #fault: string | undefined;
  #selected = 0;
  #showHelp = false;
  #refresh: () => void = () => undefined;
  /** The endpoint that the person wants to see; the view is left for it. */
  chosen: FleetRow | undefined;

  constructor(env: CommandEnv, options: FleetOptions) {
    this.#env = env;
    this.#options = options;
    this.#by = options.by;
    this.#style = styleFor(env.terminal.stdout.isTTY, env.terminal.env);
  }

  lines(size: ScreenSize): readonly string[] {
    const rows = Math.min(Math.max(size.rows - 4, 1), MOST_ROWS);
    // A larger terminal has room for more.
    if (rows > this.#rows) this.#refresh();
    this.#rows = rows;
    const count = Math.min(this.#top?.items.length ?? 0, rows);
    this.#selected = Math.min(this.#selected, Math.max(count - 1, 0));
    const ageMs = this.#gotMs === undefined ? undefined : performance.now() - this.#gotMs;
    const { selector } = this.#options;
    const shown = { top: this.#top, by: this.#by, selector, selected: this.#selected };
    return fleetLines({ ...shown, fault: this.#fault, ageMs, showHelp: this.#showHelp }, size, this.#style);
  }

  key(key: string): boolean {
    if (this.#showHelp) {
      this.#showHelp = false;
      return false;
    }
    const column = FLEET_COLUMNS.find((one) => one.key === key.toLowerCase());
    if (column !== undefined) this.#sortBy(column.by);
    else if (key === 'right' || key === '>') this.#moveSort(1);
    else if (key === 'left' || key === '<') this.#moveSort(-1);
    else if (key === 'up' || key === 'k') this.#select(-1);
    else if (key === 'down' || key === 'j') this.#select(1);
    else if (key === 'pageup') this.#select(-this.#rows);
    else if (key === 'pagedown') this.#select(this.#rows);
    else if (key === 'r' || key === 'space') this.#refresh();
    else if (key === '?' || key === 'h' || key === 'f1') this.#showHelp = true;
    else if (key === 'return' || key === 'enter') {
      this.chosen = this.#top?.items[this.#selected];
      return this.chosen !== undefined;
    } else return ['q', 'Q', 'escape', 'f10'].includes(key);
    return false;
  }

  async feed(signal: AbortSignal, changed: () => void): Promise<void> {
    this.chosen = undefined;
    while (!signal.aborted) {
      const { selector, limit } = this.#options;
      const query = { by: this.#by, selector, limit: limit ?? this.#rows };
      try {
        this.#top = await this.#env.client().call('GET /v1/fleet/top', { query, signal });
        this.#gotMs = performance.now();
        this.#fault = undefined;
      } catch (error) {
        if (signal.aborted) return;
        // What was seen stays in sight, and its age grows.
        if (this.#top === undefined || !isTransient(error)) throw error;
        this.#fault =
          error instanceof ConnectionError ? 'connection lost, trying again' : escapeControls(String(error));
      }
      changed();
      if (query.by === this.#by) await this.#pause(signal);
    }
  }

  /** Until the next refresh is due or wanted. */
  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#refresh = () => undefined;
        resolve();
      };
      const timer = setTimeout(end, REFRESH_MS);
      signal.addEventListener('abort', end);
      this.#refresh = end;
    });
  }

  #sortBy(by: TopBy): void {
    this.#by = by;
    this.#selected = 0;
    this.#refresh();
  }

  #moveSort(step: number): void {
    const at = FLEET_COLUMNS.findIndex(({ by }) => by === this.#by) + step;
    const column = FLEET_COLUMNS[at];
    if (column !== undefined) this.#sortBy(column.by);
  }

  #select(step: number): void {
    this.#selected = Math.max(this.#selected + step, 0);
  }
}
