import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { CAPABILITY, type HelloBody, LIMITS, type ModeBody, type SessionMode } from '@muster/protocol';
import { silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import type { EnrolOutcome } from '../identity/enrol.js';
import { openWay } from '../network/dialer.js';
import { createConnect } from '../transports/create-connect.js';
import type { Connect, SessionConnection } from '../contract/session-connection.js';
import { ConnectionManager } from '../sessions/connection-manager.js';
import type { SessionWork } from '../contract/session-work.js';
import { pinnedMode, AssignedMode, type DesiredMode } from '../capabilities/modes/assigned-mode.js';
import { TrafficMeter } from '../traffic/traffic-meter.js';
import { FakeGateway, type FakeGatewayOptions } from './fake-gateway.js';

export const HELLO: HelloBody = {
  facts: { host: 'h', os: 'linux', arch: 'x', osName: 'n', osVersion: 'v', agentVersion: '1' },
  labels: {},
  capabilities: [CAPABILITY.mode],
  instance: new Uint8Array(16),
  proof: new Uint8Array(64),
};

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Is called when the test is over. */
export function atEnd(cleanup: () => Promise<unknown> | void): void {
  cleanups.push(cleanup);
}

export async function startGateway(options?: FakeGatewayOptions): Promise<FakeGateway> {
  const gateway = await FakeGateway.start(options);
  atEnd(() => gateway.stop());
  return gateway;
}

/** What gateways tell, kept in a folder of this test. */
export function told(): (clock: FakeClock) => AssignedMode {
  const folder = mkdtempSync(join(tmpdir(), 'muster-told-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return (clock) => new AssignedMode({ folder, clock, logger: silentLogger });
}

export interface ManagerSetup {
  readonly token?: string | undefined;
  readonly enrol?: () => EnrolOutcome;
  readonly random?: () => number;
  /** A channel that it is pinned to, or what says which one to use. */
  readonly wanted?: SessionMode | ((clock: FakeClock) => DesiredMode);
}

/** A keeper with a clock that stands still, and what happened to it. */
export async function startKeeper(gateways: readonly string[], setup: ManagerSetup = {}) {
  const clock = new FakeClock();
  const logLines: string[] = [];
  const works: { mode: SessionMode; ended: boolean; connection: SessionConnection; heard: string[] }[] = [];
  let token: string | undefined = 'token' in setup ? setup.token : 'first';
  let enrolments = 0;
  const waiters: (() => void)[] = [];
  const note = (message: string, fields?: { why?: unknown }): void => {
    logLines.push(`${message}${typeof fields?.why === 'string' ? `: ${fields.why}` : ''}`);
    for (const wake of waiters.splice(0)) wake();
  };
  const logger = { ...silentLogger, info: note, warn: note, error: note };
  const random = setup.random ?? ((): number => 0.5);
  const wanted = setup.wanted ?? 'live';
  const connect: Connect = createConnect({
    way: await openWay({ gatewayUrls: [] }, {}),
    meter: new TrafficMeter(clock),
    clock,
    logger,
    random,
  });
  const keeper = new ConnectionManager({
    gateways,
    connect,
    wanted: typeof wanted === 'string' ? pinnedMode(wanted) : wanted(clock),
    clock,
    random,
    logger,
    credentials: {
      token: () => token,
      setToken: (next) => void (token = next),
      enrol: () => {
        enrolments += 1;
        const outcome = setup.enrol?.() ?? { kind: 'enrolled', agentId: 'a', num: 1, token: `enrolled${enrolments}` };
        if (outcome.kind === 'enrolled') token = outcome.token;
        return Promise.resolve(outcome);
      },
      hello: () => HELLO,
    },
    createWork: (connection): readonly SessionWork[] => {
      const work = { mode: connection.mode, ended: false, connection, heard: [] as string[] };
      works.push(work);
      return [
        {
          onQuery: (ref, { remainingMs }) => void work.heard.push(`query ${ref} for ${remainingMs} ms`),
          onCredit: (ref, bytes) => void work.heard.push(`credit ${ref} ${bytes}`),
          onWritable: () => void work.heard.push('writable'),
          end: () => void (work.ended = true),
        },
      ];
    },
  });
  atEnd(() => keeper.stop());
  keeper.start();
  return {
    keeper,
    clock,
    logLines,
    works,
    enrolments: () => enrolments,
    token: () => token,
    /** Waits until something was logged that matches; no time passes on the fake clock. */
    async logged(pattern: RegExp, count = 1): Promise<void> {
      while (logLines.filter((line) => pattern.test(line)).length < count)
        await new Promise<void>((resolve) => waiters.push(resolve));
    },
    /** Lets the session come for what the gateway said, where it has to: exactly when its interval of 60 s is over. */
    async fetch(): Promise<void> {
      if (keeper.mode === 'poll') await clock.advanceAsync(60_000 - Math.floor((random() * 60_000) / 10));
    },
  };
}

/** A gateway, and an agent that it may tell which channel to use; the agent's random numbers are 0. */
export async function startTold(options: FakeGatewayOptions = {}, setup: ManagerSetup = {}) {
  const gateway = await startGateway(options);
  const agent = await startKeeper([gateway.origin], { wanted: told(), random: () => 0, ...setup });
  return { gateway, agent };
}

/** A `mode` of WELCOME. */
export function said(mode: SessionMode, more: Partial<ModeBody> = {}): ModeBody {
  return { mode, intervalMs: LIMITS.pollIntervalMs, reason: 'test', spreadMs: 0, ...more };
}
