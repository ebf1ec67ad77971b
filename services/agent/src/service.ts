import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, posix, win32 } from 'node:path';
import type { Env } from '@muster/runtime/program';
import { loadAgentConfig } from './config.js';
import { type InstallContext, install, uninstall, planFor } from './install/install.js';
import { type Installation, type Manager, MANAGERS } from './install/service-plan.js';
import { parseSetting, settingsFile } from './install/settings-file.js';
import { SINGLE_FILE } from './host/program-files.js';
import { defaultConfigurationFile, readConfiguration } from './environment.js';

export interface ServiceOptions {
  readonly config?: string | undefined;
  readonly set?: readonly string[] | undefined;
  readonly manager?: string | undefined;
  readonly observe: boolean;
  readonly root?: string | undefined;
  readonly print: boolean;
  readonly purge: boolean;
}

/**
 * `muster-agent install|uninstall|status`. Returns the exit code: 0 on success (status: it runs), 1 when a step failed
 * (status: it does not run), 2 for wrong usage.
 */
export function service(command: 'install' | 'uninstall' | 'status', options: ServiceOptions, env: Env): number {
  try {
    const place = locate(options, env);
    const context: InstallContext = {
      root: options.root,
      dryRun: options.print,
      printLine: (line) => void process.stdout.write(`${line}\n`),
    };
    if (command === 'status') return status(planFor(place.manager, place).status, place);
    const { configFile, dataDir, programFile: to } = place;
    if (command === 'uninstall') {
      uninstall(
        { plan: planFor(place.manager, place), program: { from: to, to }, configFile, dataDir, purge: options.purge },
        context,
      );
      return 0;
    }
    const settings = firstSettings(options, place);
    const plan = planFor(place.manager, { ...place, events: recordsEvents(options, place) });
    if ((options.set ?? []).length > 0 && existsSync(`${options.root ?? ''}${configFile}`))
      process.stderr.write(`muster-agent: ${configFile} stays as it is, without what --set says: change it there\n`);
    install({ plan, program: { from: programToCopy(), to }, configFile, dataDir, settings }, context);
    return 0;
  } catch (error) {
    process.stderr.write(`muster-agent: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

class UsageError extends Error {}

interface Place extends Installation {
  readonly manager: Manager;
  readonly programFile: string;
}

function locate({ config, manager: named, observe }: ServiceOptions, env: Env): Place {
  const manager = named === undefined ? managerOfThisMachine() : MANAGERS.find((one) => one === named);
  if (manager === undefined) throw new UsageError(`there is no manager "${named}": ${MANAGERS.join(', ')}`);
  const configFile = config ?? defaultConfigurationFile(env);
  const name = SINGLE_FILE?.endsWith('.cjs') === false ? 'muster-agent' : 'muster-agent.cjs';
  const isWindows = manager === 'windows-task';
  const programFile = isWindows
    ? win32.join(
        env['ProgramFiles'] ?? 'C:\\Program Files',
        'MusterAgent',
        name === 'muster-agent' ? `${name}.exe` : name,
      )
    : posix.join('/opt/muster-agent', name);
  const dataDir = isWindows ? win32.join(win32.dirname(configFile), 'data') : DATA[manager];
  const program = name.endsWith('.cjs') ? [process.execPath, programFile] : [programFile];
  return { manager, configFile, dataDir, observe, events: false, programFile, program };
}

const DATA = { systemd: '/var/lib/muster-agent', sysvinit: '/var/lib/muster-agent', launchd: '/var/db/muster-agent' };

function managerOfThisMachine(): Manager {
  if (process.platform === 'win32') return 'windows-task';
  if (process.platform === 'darwin') return 'launchd';
  // sd_booted(3)
  return existsSync('/run/systemd/system') ? 'systemd' : 'sysvinit';
}

function firstSettings({ set = [], root }: ServiceOptions, { configFile, dataDir }: Place): string {
  let settings: (readonly [string, string])[];
  try {
    settings = set.map(parseSetting);
    const known = settings.map(([name]) => name);
    if (!known.includes('MUSTER_DATA_DIR')) settings.push(['MUSTER_DATA_DIR', dataDir]);
    if (known.includes('MUSTER_GATEWAY_URL')) {
      const checked = loadAgentConfig(Object.fromEntries(settings));
      if (!checked.ok) throw new Error(checked.error.message);
    }
    if (known.includes('MUSTER_GATEWAY_URL') || existsSync(`${root ?? ''}${configFile}`)) return settingsFile(settings);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  throw new UsageError(`${configFile} is not there: give the settings, --set MUSTER_GATEWAY_URL=https://… at least`);
}

/** By the settings that the service will have: those that are there, or the first ones. */
function recordsEvents({ set = [], root }: ServiceOptions, { configFile }: Place): boolean {
  const path = `${root ?? ''}${configFile}`;
  const settings = existsSync(path) ? readConfiguration(path, {}) : Object.fromEntries(set.map(parseSetting));
  return (settings['MUSTER_AGENT_EVENTS'] ?? '').trim() !== '';
}

/** The service must not run a file that a user can change, or a Node that it cannot reach. */
function programToCopy(): string {
  if (SINGLE_FILE === undefined) {
    throw new UsageError('install works from the bundle or the single executable ("npm run bundle:agent" makes them)');
  }
  const isNode = basename(process.execPath).startsWith('node');
  if (isNode && /^\/(home|root|Users)\//.test(process.execPath)) {
    throw new UsageError(
      `${process.execPath} belongs to a user: install Node for the machine, or use the single executable`,
    );
  }
  return SINGLE_FILE;
}

function status(
  [program, ...args]: readonly [string, ...string[]],
  { manager, programFile, configFile }: Place,
): number {
  const printLine = (what: string, path: string): void =>
    void process.stdout.write(`${what.padEnd(9)}${path}${existsSync(path) ? '' : ' (not there)'}\n`);
  process.stdout.write(`manager  ${manager}\n`);
  printLine('program', programFile);
  printLine('settings', configFile);
  return spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0 ? 0 : 1;
}
