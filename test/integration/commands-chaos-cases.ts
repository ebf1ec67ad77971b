import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Program } from '@muster/local';
import { CommandLoad, expectCommandsSettled } from '../kit/command-load.js';
import { startHarness, type Harness, fleetOptions } from '../kit/harness.js';
import { FleetProcess } from '../load/fleet/fleet-process.js';

/** How long the load runs before each fault. */
const BEFORE_MS = 1_000;

export interface CommandsUnderKills {
  readonly agents: number;
  readonly perSecond: number;
  /** How long the load runs after each fault. */
  readonly afterMs: number;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Each program and broker is killed once under commands: what was accepted ends, once. */
export function commandsUnderKills({ agents, perSecond, afterMs }: CommandsUnderKills): void {
  describe(`${perSecond} commands a second to ${agents} agents, while each program is killed once`, () => {
    let harness: Harness;
    let fleet: FleetProcess;
    let load: CommandLoad;

    beforeAll(async () => {
      harness = await startHarness({ gateways: 2, commands: 2, restart: true });
      // In a process of its own, so that the load does not compete with the agents.
      fleet = await FleetProcess.start({
        t: 'fleet',
        keysFile: join(harness.stack.folder, 'fleet.json'),
        options: {
          ...fleetOptions(harness),
          agents,
          // Some crash between run and report, and start again with their history.
          commands: { crashing: 0.02, failing: 0.05 },
        },
      });
      const listed = await harness.api.all('GET /v1/agents', { pageSize: 500 });
      if (listed.length !== agents) throw new Error(`${listed.length} agents are listed`);
      load = new CommandLoad(
        harness,
        listed.map(({ agentId }) => agentId),
        perSecond,
      );
    });
    afterAll(async () => {
      await fleet.stop();
      await harness.close();
    });

    const kill = (program: Program | undefined): void => {
      expect(program?.signal('SIGKILL')).toBe(true);
    };

    it('every accepted command ends in exactly one state for every target, and nothing ran twice', async () => {
      load.start();
      const faults: readonly (() => void | Promise<void>)[] = [
        () => kill(harness.stack.commands[0]),
        () => kill(harness.stack.gateways[0]),
        async () => {
          await harness.brokers.redis.kill9();
          await harness.brokers.redis.restart();
        },
        async () => {
          await harness.brokers.nats.kill9();
          await harness.brokers.nats.restart();
        },
        () => harness.stack.commands.forEach(kill),
      ];
      for (const fault of faults) {
        await pause(BEFORE_MS);
        await fault();
        await pause(afterMs);
      }
      await load.stop();
      const ids = [...load.accepted.values()];
      // A busy machine accepts fewer than are sent; each fault must have hit some.
      expect(ids.length).toBeGreaterThan(perSecond * 2);
      process.stderr.write(`${ids.length} commands accepted, ${load.repeats} repeated\n`);
      await expectCommandsSettled(harness, ids, () => fleet.runs(), 90_000);
      // Every command in the journal was accepted by an answer.
      const listed = await harness.api.all('GET /v1/commands', { pageSize: 200 });
      expect(listed.filter(({ id }) => !ids.includes(id))).toEqual([]);
    });
  });
}
