import { describe, expect, it } from '@jest/globals';
import { ACTIONS, findAction } from '@muster/actions';
import type { Binding, Facts, Params } from '@muster/protocol';
import { makeMachine, type Machine } from '../machine/machine.js';
import { rowsOf } from '../machine/machine-tables.js';
import type { Plan } from './plan.js';
import { planAction } from './simulated-actions.js';

const machineOf = (os: Facts['os']): Machine => {
  for (let index = 0; index < 1_000; index += 1) {
    const machine = makeMachine({ seed: 1, uniform: false, labels: {} }, index);
    if (machine.profile.os === os) return machine;
  }
  throw new Error(`no ${os}`);
};

function plan(machine: Machine, name: string, params: Params = {}, binding: Binding | null = null): Plan {
  return planAction(machine, { action: findAction(name)!, params, binding });
}

/** Carries it out; returns the code, or what undoes it. */
function run(...args: Parameters<typeof plan>): string | (() => void) {
  const planned = plan(...args);
  return planned.kind === 'end' ? planned.outcome.code : (planned.apply() ?? 'ok');
}

const undoOf = (...args: Parameters<typeof plan>): (() => void) => {
  const undo = run(...args);
  if (typeof undo === 'string') throw new Error(undo);
  return undo;
};

describe('actions on simulated machines', () => {
  it.each(ACTIONS.filter(({ hidden }) => hidden !== true))('$name is simulated', ({ name, platforms }) => {
    const planned = plan(machineOf(platforms[0]!), name, { name: 'x', path: 'HKEY_USERS\\x', set: {} });
    expect(planned.kind === 'do' ? 'do' : planned.outcome.code).not.toBe('unknown_action');
  });

  it.each([
    ['linux', 'systemd_units', 'cron.service', { name: 'cron' }],
    ['windows', 'services', 'spoolsv', { name: 'spoolsv' }],
    ['darwin', 'launchd', 'com.example.logd', { name: 'com.example.logd' }],
  ] as const)('a service of %s stops, starts, and stops again until that is undone', (os, table, id, params) => {
    const machine = machineOf(os);
    const state = (): string => JSON.stringify(rowsOf(machine, table).find((row) => Object.values(row).includes(id)));
    run(machine, 'service.start', params);
    const before = state();
    run(machine, 'service.stop', params);
    expect(state()).not.toBe(before);
    expect(run(machine, 'service.stop', params)).toBe('unchanged');
    run(machine, 'service.start', params);
    expect(state()).toBe(before);
    const undo = undoOf(machine, 'service.stop', params);
    expect(state()).not.toBe(before);
    undo();
    expect(state()).toBe(before);
    expect(run(machine, 'service.stop', { name: 'nothing' })).toBe('not_found');
  });

  it('a removed package is missing on this machine only', () => {
    const [machine, twin] = [machineOf('linux'), machineOf('linux')];
    const table = machine.profile.packages === 'deb' ? 'deb_packages' : 'rpm_packages';
    const name = String(rowsOf(machine, table)[0]?.['name']);
    const has = (one: Machine): boolean => rowsOf(one, table).some((row) => row['name'] === name);
    expect(run(machine, 'package.remove', { name, version: '0' })).toBe('changed');
    expect(run(machine, 'package.remove', { name })).toBe('ok');
    expect([has(machine), has(twin)]).toEqual([false, true]);
    expect(run(machine, 'package.remove', { name })).toBe('unchanged');
  });

  it('a file goes to quarantine and is restored, by undo and by path', () => {
    const machine = machineOf('linux');
    const { path } = rowsOf(machine, 'file')[0]! as { path: string };
    const has = (): boolean[] =>
      ['file', 'hash'].map((table) => rowsOf(machine, table).some((row) => row['path'] === path));
    expect(run(machine, 'file.quarantine', {}, { path, sha256: '00' })).toBe('changed');
    undoOf(machine, 'file.quarantine', { path })();
    expect(has()).toEqual([true, true]);
    run(machine, 'file.quarantine', { path });
    expect(has()).toEqual([false, false]);
    expect(run(machine, 'file.restore', { path })).toBe('ok');
    expect(has()).toEqual([true, true]);
    expect(run(machine, 'file.restore', { path })).toBe('not_found');
  });

  it('registry values are deleted one by one, or with their key', () => {
    const machine = machineOf('windows');
    const key = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run';
    const count = (): number => rowsOf(machine, 'registry').filter((row) => row['key'] === key).length;
    const undo = undoOf(machine, 'registry.delete_value', { path: `${key}\\SecurityHealth` });
    expect(count()).toBe(1);
    undo();
    expect(count()).toBe(2);
    undoOf(machine, 'registry.delete_key', { path: key });
    expect(count()).toBe(0);
  });

  it('ARP entries are flushed, hosts isolated once, labels set and reset', () => {
    const machine = machineOf('linux');
    expect(run(machine, 'arp.flush')).toBe('ok');
    expect(run(machine, 'arp.flush')).toBe('unchanged');
    undoOf(machine, 'host.isolate')();
    expect(run(machine, 'host.release')).toBe('unchanged');
    undoOf(machine, 'host.isolate');
    expect(run(machine, 'host.isolate')).toBe('unchanged');
    expect(run(machine, 'host.release')).toBe('ok');
    const before = machine.labels;
    const undo = undoOf(machine, 'agent.set_labels', { set: { tier: 'one' }, remove: ['env'] });
    expect(machine.labels).toEqual({ site: before['site'], role: before['role'], tier: 'one' });
    undo();
    expect(machine.labels).toEqual(before);
  });

  it('pid 1 is protected, also when it is named by its program', () => {
    const machine = machineOf('linux');
    expect(run(machine, 'process.kill', { pid: 1 })).toBe('protected');
    expect(run(machine, 'process.kill', { name: 'systemd' })).toBe('protected');
  });
});
