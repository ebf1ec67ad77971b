import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '@muster/runtime/testing';
import { tellRedis } from '../../kit/tell-redis.js';
import type { ChaosSystem } from '../system/chaos-system.js';
import type { Fault, Strike } from './fault.js';

const BACK_WITHIN_MS = 120_000;

/** Carries a fault out. Resolves when every struck part runs again; that is not when the system has overcome it. */
export async function inject(system: ChaosSystem, fault: Fault): Promise<void> {
  await Promise.all(fault.map((strike) => injectOne(system, strike)));
}

async function injectOne(system: ChaosSystem, strike: Strike): Promise<void> {
  const { part, kind, ms } = strike;
  const broker = system.broker(part);
  if (kind === 'empty') return void (await tellRedis(broker?.url ?? '', 'FLUSHALL'));
  if (kind === 'fill') {
    await tellRedis(broker?.url ?? '', 'CONFIG SET maxmemory 1');
    await delay(ms);
    return void (await tellRedis(broker?.url ?? '', 'CONFIG SET maxmemory 0'));
  }
  if (broker !== undefined) {
    if (kind === 'freeze') {
      await broker.freeze();
      await delay(ms);
      return broker.resume();
    }
    if (kind === 'kill') {
      await broker.kill9();
      await delay(ms);
    }
    return broker.restart();
  }
  const program = system.program(part);
  if (program === undefined) throw new Error(`there is no ${part}`);
  if (kind === 'freeze') {
    program.signal('SIGSTOP');
    await delay(ms);
    program.signal('SIGCONT');
    return;
  }
  const { pid } = program;
  if (kind === 'upgrade') program.useVersion();
  if (kind === 'rollback') program.useVersion(system.servicesBefore);
  program.signal(kind === 'kill' ? 'SIGKILL' : 'SIGTERM');
  await eventually(() => program.pid !== -1 && program.pid !== pid, `${part} runs again`, BACK_WITHIN_MS);
}
