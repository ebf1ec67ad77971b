import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import type { Env } from '@muster/runtime/program';

/** Where `muster-agent install` writes the settings. */
export function defaultConfigurationFile(env: Env): string {
  if (process.platform === 'win32') return `${env['ProgramData'] ?? 'C:\\ProgramData'}\\MusterAgent\\agent.env`;
  return '/etc/muster-agent/agent.env';
}

/** The file to read settings from: the named one; or the installed one, if the environment has no settings. */
export function configurationFile(named: string | undefined, env: Env): string | undefined {
  if (named !== undefined) return named;
  const installed = defaultConfigurationFile(env);
  return env['MUSTER_GATEWAY_URL'] === undefined && existsSync(installed) ? installed : undefined;
}

/** The settings of a file that the environment does not set. Throws when the file cannot be read. */
export function readConfiguration(path: string, env: Env): Record<string, string> {
  const settings = Object.entries(parseEnv(readFileSync(path, 'utf8')));
  const added = settings.filter(([name]) => env[name] === undefined);
  return Object.fromEntries(added.map(([name, value]) => [name, value ?? '']));
}

/** Proxies are often given as `host:port`, without a scheme: adds `http://`. Changes the given environment. */
export function completeProxies(env: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(env)) {
    if (/^(https?|all)_proxy$/i.test(name) && value && !value.includes('://')) env[name] = `http://${value}`;
  }
}
