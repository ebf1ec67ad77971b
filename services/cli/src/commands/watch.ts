import type { ApiClient } from '@muster/api-client';
import type { CommandEvent, CommandJson, CommandTargetChangeJson } from '@muster/api-contract';
import { isTerminal, type CommandLedger } from '@muster/protocol';
import type { CommandEnv } from '../environment/command-env.js';
import { stillThere } from '../environment/still-there.js';
import { EXIT, type ExitCode } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';
import type { ListOutput } from '../terminal/listing.js';
import { ProgressLine, STALLED_NOTE } from '../terminal/progress-line.js';
import { styleFor } from '../terminal/table.js';
import { ClosedPipe, type Terminal } from '../terminal/terminal.js';
import { createOutcomeWriter, type OutcomeWriter } from './outcomes.js';
import { exitCodeOfCommand, ledgerProgress, renderCommandSummary } from './summary.js';

const NAMED = 10;

/**
 * Prints each outcome as it comes, then the ledger, and returns the exit code. Ctrl-C ends the watching at once, not the command.
 */
export async function watchCommand(env: CommandEnv, command: CommandJson, output: ListOutput): Promise<ExitCode> {
  try {
    return await new CommandWatch(env.client(), env.terminal, command, output).run();
  } catch (error) {
    const { id } = command;
    throw stillThere(
      env,
      error,
      `the command ${id} may go on: muster commands watch ${id}, muster commands cancel ${id}`,
    );
  }
}

/** The view of one command on one terminal. */
class CommandWatch {
  readonly #client: ApiClient;
  readonly #terminal: Terminal;
  readonly #writer: OutcomeWriter;
  readonly #isTable: boolean;
  readonly #line: ProgressLine;
  readonly #stop = new AbortController();
  /** Targets whose outcome was printed; a later event may repeat it. */
  readonly #settled = new Set<number>();
  readonly #unsuccessful: { named: CommandTargetChangeJson[]; count: number } = { named: [], count: 0 };
  #command: CommandJson;

  constructor(client: ApiClient, terminal: Terminal, command: CommandJson, output: ListOutput) {
    const { stdout: out, stderr, env } = terminal;
    this.#client = client;
    this.#terminal = terminal;
    this.#command = command;
    this.#writer = createOutcomeWriter({ output, out, style: styleFor(out.isTTY, env), effects: command.dryRun });
    this.#isTable = output === 'table';
    this.#line = new ProgressLine(stderr, styleFor(stderr.isTTY, env), 'waiting');
  }

  async run(): Promise<ExitCode> {
    const offInterrupt = this.#terminal.onInterrupt(() => {
      // A second Ctrl-C finds no listener and ends the process.
      offInterrupt();
      this.#stop.abort();
    });
    try {
      await this.#follow();
      this.#line.end();
      await this.#writer.end(this.#command);
      if (this.#stop.signal.aborted) return await this.#leave();
      await this.#summarise();
      return exitCodeOfCommand(this.#command);
    } catch (error) {
      if (!(error instanceof ClosedPipe)) throw error;
      await this.#terminal.stderr.write(continuesText(this.#command)).catch(() => undefined);
      return EXIT.closedPipe;
    } finally {
      this.#line.end();
      offInterrupt();
    }
  }

  async #follow(): Promise<void> {
    const call = {
      params: { id: this.#command.id },
      signal: this.#stop.signal,
      onReconnect: () => this.#line.note('connection lost, trying again'),
    };
    try {
      for await (const event of this.#client.events('GET /v1/commands/{id}/events', call)) {
        await this.#take(event);
        if (this.#stop.signal.aborted) return;
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }

  async #take(event: Exclude<CommandEvent, { event: 'heartbeat' }>): Promise<void> {
    switch (event.event) {
      case 'command':
      case 'ended':
        this.#command = event.command;
        return this.#progress(event.command.ledger);
      case 'ledger':
        this.#command = { ...this.#command, ledger: event.ledger };
        return this.#progress(event.ledger);
      case 'targets':
        return this.#print(event.targets.filter((target) => this.#isNews(target)));
      case 'stalled':
        return this.#line.note(STALLED_NOTE);
      default:
        // A newer server may have further events.
        return;
    }
  }

  #progress(ledger: CommandLedger): void {
    this.#line.update(ledgerProgress(ledger));
    if (this.#command.status === 'awaiting_approval') this.#line.note('waiting for approval');
  }

  #isNews({ number, state }: CommandTargetChangeJson): boolean {
    if (!isTerminal(state) || this.#settled.has(number)) return false;
    this.#settled.add(number);
    return true;
  }

  async #print(outcomes: readonly CommandTargetChangeJson[]): Promise<void> {
    if (outcomes.length === 0) return;
    for (const target of outcomes.filter(({ state }) => state !== 'succeeded')) {
      this.#unsuccessful.count += 1;
      if (this.#unsuccessful.named.length < NAMED) this.#unsuccessful.named.push(target);
    }
    this.#line.hide();
    await this.#writer.outcomes(outcomes);
  }

  async #summarise(): Promise<void> {
    const { stderr, env } = this.#terminal;
    const style = styleFor(stderr.isTTY, env);
    // A few lines are still in sight: those who did not succeed need not be named again.
    const isInSight = this.#isTable && this.#settled.size <= NAMED;
    const unsuccessful = isInSight ? { named: [], count: 0 } : this.#unsuccessful;
    await stderr.write(renderCommandSummary(this.#command, unsuccessful, style, stderr.columns));
  }

  async #leave(): Promise<ExitCode> {
    const { ledger } = this.#command;
    await this.#terminal.stderr.write(`${ledgerProgress(ledger)}\n${continuesText(this.#command)}`);
    return EXIT.interrupted;
  }
}

/** Printed when the watching ends before the command does. */
function continuesText({ id, action }: CommandJson): string {
  return (
    `${escapeControls(action)} goes on: nobody watches it any more, that is all.\n` +
    `\`muster commands watch ${id}\` watches it again, \`muster commands cancel ${id}\` stops what can still be stopped.\n`
  );
}
