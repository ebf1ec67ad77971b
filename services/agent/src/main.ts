#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { completeProxies, configurationFile, readConfiguration } from './environment.js';

// An agent allocates little and runs for months. A young generation that does not grow saves five megabytes.
setFlagsFromString('--semi-space-growth-factor=1');

const USAGE = `Usage: muster-agent [command]

Commands:
  run       keep a session with a gateway, answer queries, run commands (default)
  enroll    enrol this machine now, then end
  doctor    test each hop to the gateway and name the one that fails
  sql SQL   run a statement on this machine and print its rows
  check FILE  run the checks of a pack on this machine and print their outcomes
  version   print the version, as --version does
  install   install it as a service, from the bundle or the executable
  uninstall remove the service; with --purge also its key, token and settings
  status    show whether the service is installed and runs

Options:
  --output table|json|ndjson   how "sql" and "check" print (default table)
  --config FILE                settings, one NAME=value a line; the environment overrides them. Without it, and
                               without MUSTER_GATEWAY_URL, the file that "install" wrote is read
  --set NAME=value             with "install": a setting for a new configuration file; may be repeated
  --manager NAME               with "install" and the like: systemd, sysvinit, launchd, windows-task (default: the one found)
  --observe                    with "install": a service that only answers queries, with only the rights for that
  --root DIR                   with "install" and "uninstall": write the files below DIR, and start no program
  --print                      with "install" and "uninstall": only print what would be done
  --purge                      with "uninstall"
  --help                       print this

Configuration comes from the environment or that file: MUSTER_GATEWAY_URL, MUSTER_GATEWAY_CA, MUSTER_ORG, MUSTER_ENROLL_SECRET or
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
  version: { type: 'boolean' },
} as const;

/** The options of each command. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  run: ['config'],
  enroll: ['config'],
  doctor: ['config'],
  sql: ['config', 'output'],
  check: ['config', 'output'],
  version: [],
  install: ['config', 'set', 'manager', 'observe', 'root', 'print'],
  uninstall: ['config', 'manager', 'root', 'print', 'purge'],
  status: ['config', 'manager'],
};

/** Each command is loaded when it is needed, so that `run` needs no memory for the others. */
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
  if (parsed.values.version === true) return runOnce('version', undefined, parsed.values.output);
  if (rest.length > (command === 'sql' || command === 'check' ? 1 : 0))
    return usage(`too many arguments for "${command}"`);
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
    // A missing file or an invalid proxy: the message is enough, without a stack.
    process.stderr.write(`muster-agent: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

/** Commands that end by themselves. */
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
    case 'check':
      if (statement === undefined) return usage('"check" needs the file of a pack');
      if (!isOutput(output)) return usage(`there is no output "${output}"`);
      return (await import('./packs/check-pack.js')).checkPack(statement, output);
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

// Not awaited: the bundle is CommonJS, as a single executable must be, and has no top-level await.
void main(process.argv.slice(2)).then((code) => (process.exitCode = code));
