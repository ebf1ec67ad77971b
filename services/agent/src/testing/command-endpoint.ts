import type { AgentId, CommandBody, OrgId, ReportBody } from '@muster/protocol';
import { silentLogger } from '@muster/runtime/program';
import { type FakeClock } from '@muster/runtime/testing';
import type { ActionCall, ActionResult, JsonValue } from '../actions/contract/action.js';
import { testHost } from '../actions/testing/action-harness.js';
import { AgreedTime } from '../capabilities/commands/agreed-time.js';
import { CommandHistory } from '../capabilities/commands/command-history.js';
import type { CommandPolicy } from '../capabilities/commands/command-policy.js';
import { CommandRunner } from '../capabilities/commands/command-runner.js';
import { CommandTrust } from '../capabilities/commands/command-trust.js';
import { UndoStore } from '../capabilities/commands/undo-store.js';
import type { SendReport } from '../capabilities/commands/report-sender.js';

export const AGENT = 'a'.repeat(24) as AgentId;
export const OTHER_AGENT = 'b'.repeat(24) as AgentId;

/** A call of an action that runs until the test says how it ends. */
export interface OpenCall {
  readonly call: ActionCall;
  readonly end: (result?: Partial<ActionResult>) => void;
}

export interface EndpointOptions {
  readonly folder: string;
  readonly clock: FakeClock;
  readonly roots?: readonly { kid: string; x: string }[] | undefined;
  readonly policy?: Partial<CommandPolicy>;
  /** What an action does; the default waits for {@link OpenCall.end}. */
  readonly act?: (call: ActionCall) => Promise<ActionResult>;
  readonly onAllKept?: () => void;
  /** What the gateway says that the time is; the default is the clock's. */
  readonly serverTimeMs?: number;
}

/** The commands of one agent, with a fake session and fake actions. A second one over the same folder is the agent after a restart. */
export class CommandEndpoint {
  readonly runner: CommandRunner;
  readonly history: CommandHistory;
  readonly trust: CommandTrust;
  readonly reports: ReportBody[] = [];
  readonly calls: OpenCall[] = [];
  readonly undone: { readonly action: string; readonly kept: JsonValue }[] = [];
  readonly send: SendReport;
  readonly #clock: FakeClock;

  constructor({ folder, clock, roots, policy = {}, act, onAllKept, serverTimeMs }: EndpointOptions) {
    this.#clock = clock;
    const time = new AgreedTime(clock);
    const parts = { folder, time, logger: silentLogger };
    const undo = new UndoStore(parts);
    this.trust = CommandTrust.open({ folder, clock, logger: silentLogger, roots });
    this.history = CommandHistory.open(parts);
    const open = (call: ActionCall): Promise<ActionResult> =>
      new Promise((resolve) => {
        const end = (result: Partial<ActionResult> = {}): void =>
          resolve({ state: 'succeeded', code: 'ok', message: 'done', ...result });
        this.calls.push({ call, end });
      });
    this.runner = new CommandRunner({
      endpoint: { agentId: AGENT, org: 'acme' as OrgId },
      trust: this.trust,
      policy: { actions: ['all'], requireApproval: [], ...policy },
      history: this.history,
      undo,
      host: testHost({ dataDir: folder, clock }),
      actions: {
        run: act ?? open,
        undo: (call, action, kept) => {
          this.undone.push({ action, kept });
          return (act ?? open)(call);
        },
      },
      clock,
      logger: silentLogger,
      random: () => 0.5,
      runningAfterMs: 0,
      ...(onAllKept !== undefined && { onAllKept }),
    });
    this.send = (report) => {
      this.reports.push(report);
      return 'sent';
    };
    time.heard(serverTimeMs ?? clock.now());
    this.history.sessionBegan();
    undo.dropOld();
    this.runner.attach(this.send);
  }

  /** Delivers commands, and waits for everything that happens without time passing. */
  async deliver(...bodies: CommandBody[]): Promise<void> {
    for (const body of bodies) this.runner.onCommand(body);
    await settled();
    this.#clock.advance(0);
  }

  /** `state` or `state/code` of each new report. */
  newReports(): string[] {
    return this.reports
      .splice(0)
      .map(
        ({ state, code, authentic }) => `${authentic ? '' : 'unauthentic '}${state}${code === '' ? '' : `/${code}`}`,
      );
  }
}

/** All promise callbacks that are ready, and those that they make ready, have run. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
