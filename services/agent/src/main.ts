#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { completeProxies, configurationFile, readConfiguration } from './environment.js';

// An agent allocates little and lives for months: a nursery that does not grow saves five megabytes of garbage.
setFlagsFromString('--semi-space-growth-factor=1');

const USAGE = `Usage: muster-agent [command]

Commands:
  run       keep a session with a gateway, answer queries, run commands (default)
  enroll    enrol this machine now, then end
  doctor    try each hop on the way to the gateway and name the one that fails
  sql SQL   run a statement on this machine and print its rows
  version   print the version
  install   make it a service of this machine, from the bundle or the executable
  uninstall take the service away; --purge its key, its token and its settings too
  status    say whether the service is there and runs

Options:
  --output table|json|ndjson   how "sql" prints rows (default table)
  --config FILE                settings, one NAME=value a line; the environment goes before them. Without it, and
                               without MUSTER_GATEWAY_URL, the one that "install" made is read
  --set NAME=value             with "install": a setting for a configuration file that is made; may be repeated
  --manager NAME               with "install" and the like: systemd, sysvinit, launchd, windows-task (default: what is there)
  --observe                    with "install": a service that answers queries, and has the rights for nothing else
  --root DIR                   with "install" and "uninstall": the files go below DIR, and no program is started
  --print                      with "install" and "uninstall": only say what would be done
  --purge                      with "uninstall"
  --help                       print this

Configuration is in the environment or that file: MUSTER_GATEWAY_URL, MUSTER_GATEWAY_CA, MUSTER_ORG, MUSTER_ENROLL_SECRET or
MUSTER_ENROLL_SECRET_FILE, MUSTER_DATA_DIR, MUSTER_LABELS, MUSTER_AGENT_MODE; for commands MUSTER_COMMAND_ROOTS_FILE, MUSTER_AGENT_ACTIONS,
MUSTER_AGENT_REQUIRE_APPROVAL, MUSTER_AGENT_PROTECT. HTTPS_PROXY and NO_PROXY are honoured.
`;

const OPTIONS = {
  output: { type: 'string', default: 'table' },
  config: { type: 'string' },
  set: { type: 'string', multiple: true },
  manager: { type: 'string' },
  observe: { type: 'boolean', default: false },
  root: { type: 'string' },
  print: { type: 'boolean', default: false },
  purge: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' },
} as const;

/** The commands, and the options that each of them takes. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  run: ['config'],
  enroll: ['config'],
  doctor: ['config'],
  sql: ['config', 'output'],
  version: [],
  install: ['config', 'set', 'manager', 'observe', 'root', 'print'],
  uninstall: ['config', 'manager', 'root', 'print', 'purge'],
  status: ['config', 'manager'],
};

/** Commands are loaded when they are asked for: what `run` does not need must not cost it memory. */
async function main(argv: readonly string[]): Promise<number | undefined> {
  let parsed;
  try {
    parsed = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, tokens: true });
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
  const [command = 'run', ...rest] = parsed.positionals;
  if (parsed.values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (rest.length > (command === 'sql' ? 1 : 0)) return usage(`too many arguments for "${command}"`);
  const takes = TAKES[command];
  if (takes === undefined) return usage(`there is no command "${command}"`);
  const other = parsed.tokens.find((token) => token.kind === 'option' && !takes.includes(token.name));
  if (other?.kind === 'option') return usage(`--${other.name} is not for "${command}"`);
  const isService = command === 'install' || command === 'uninstall' || command === 'status';
  if (isService) return (await import('./service.js')).service(command, parsed.values, process.env);
  try {
    const file = configurationFile(parsed.values.config, process.env);
    if (file !== undefined) Object.assign(process.env, readConfiguration(file, process.env));
  } catch (error) {
    return usage(`the configuration cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  completeProxies(process.env);
  if (command === 'run') {
    await (await import('./run.js')).run(process.env);
    return undefined;
  }
  try {
    return await runOnce(command, rest[0], parsed.values.output);
  } catch (error) {
    // A file that is not there, a proxy that is none: who typed it needs no stack.
    process.stderr.write(`muster-agent: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

/** What ends by itself. */
async function runOnce(command: string, statement: string | undefined, output: string): Promise<number> {
  switch (command) {
    case 'enroll':
      return (await import('./enroll.js')).enroll(process.env);
    case 'doctor':
      return (await import('./doctor.js')).doctor(process.env);
    case 'sql':
      if (statement === undefined) return usage('"sql" needs a statement');
      if (!isOutput(output)) return usage(`there is no output "${output}"`);
      return (await import('./sql.js')).sql(statement, output);
    case 'version':
      process.stdout.write(`${(await import('./host/program-files.js')).agentVersion()}\n`);
      return 0;
    default:
      return usage(`there is no command "${command}"`);
  }
}

function isOutput(text: string): text is 'table' | 'json' | 'ndjson' {
  return text === 'table' || text === 'json' || text === 'ndjson';
}

function usage(fault: string): number {
  process.stderr.write(`muster-agent: ${fault}\n\n${USAGE}`);
  return 2;
}

// Not awaited: the bundle is CommonJS, as a single executable must be, and that has no await at the top.
void main(process.argv.slice(2)).then((code) => (process.exitCode = code));
