import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { resolve } from 'node:path';
import { usageError } from '../terminal/cli-error.js';
import { renderTable, styleFor } from '../terminal/table.js';
import { configPath, readConfig, writeConfig, type ConfigFile } from '../environment/config-file.js';

const NAME = /^[A-Za-z0-9][-A-Za-z0-9_.]{0,62}$/;

/** `muster context`: named servers. */
export function addContextCommand(program: Command, env: CommandEnv): void {
  const { terminal } = env;
  const path = configPath(terminal);
  const { stdout, stderr } = terminal;
  const context = program
    .command('context')
    .description('Named servers, as in kubectl; stored in ~/.config/muster/config.json.');

  context
    .command('list', { isDefault: true })
    .description('Lists the contexts; the current one is marked.')
    .action(async () => {
      const { contexts, current } = readConfig(path);
      const rows = Object.entries(contexts).map(([name, { apiUrl, token, caPath }]) => [
        name === current ? '*' : '',
        name,
        apiUrl,
        token === undefined ? 'none' : 'yes',
        caPath ?? '',
      ]);
      const headers = ['', 'name', 'api', 'token', 'ca'];
      await stdout.write(
        renderTable({ headers, width: stdout.columns, style: styleFor(stdout.isTTY, terminal.env) }, rows),
      );
      if (rows.length === 0)
        await stderr.write('There are none; `muster context set NAME --api-url URL --token TOKEN` makes one.\n');
    });

  context
    .command('set <name>')
    .description('Makes a context, or changes the given parts of one. The first one becomes the current one.')
    .option('--api-url <url>', 'address of the API')
    .option(
      '--token <token>',
      'operator token; "-" reads it from standard input, which keeps it out of the shell\'s history',
    )
    .option('--console-url <url>', 'address of the console, for links to queries')
    .option('--ca <file>', "PEM file with the authority to trust instead of the system's")
    .action(async (name: string, options: { apiUrl?: string; token?: string; ca?: string; consoleUrl?: string }) => {
      if (!NAME.test(name)) throw usageError(`"${name}" is no name for a context: letters, digits, "-", "_" and "."`);
      const config = readConfig(path);
      const before = config.contexts[name];
      const apiUrl = options.apiUrl ?? before?.apiUrl;
      if (apiUrl === undefined) throw usageError('a new context needs --api-url');
      if (!URL.canParse(apiUrl) || !/^https?:/.test(apiUrl))
        throw usageError(`--api-url is not an http(s) URL: ${apiUrl}`);
      const token = options.token === '-' ? (await terminal.readInput()).trim() : (options.token ?? before?.token);
      const caPath = options.ca === undefined ? before?.caPath : resolve(terminal.cwd, options.ca);
      const consoleUrl = options.consoleUrl ?? before?.consoleUrl;
      if (consoleUrl !== undefined && (!URL.canParse(consoleUrl) || !/^https?:/.test(consoleUrl)))
        throw usageError(`--console-url is not an http(s) URL: ${consoleUrl}`);
      const entry = {
        apiUrl,
        ...(token ? { token } : {}),
        ...(caPath ? { caPath } : {}),
        ...(consoleUrl ? { consoleUrl } : {}),
      };
      writeConfig(path, { current: config.current ?? name, contexts: { ...config.contexts, [name]: entry } });
      await stderr.write(
        `context ${name} is set${config.current === undefined || config.current === name ? ' and current' : ''}\n`,
      );
    });

  context
    .command('use <name>')
    .description('Makes a context the current one.')
    .action(async (name: string) => {
      const config = existing(readConfig(path), name);
      writeConfig(path, { ...config, current: name });
      await stderr.write(`context ${name} is current\n`);
    });

  context
    .command('remove <name>')
    .description('Forgets a context.')
    .action(async (name: string) => {
      const config = existing(readConfig(path), name);
      const contexts = Object.fromEntries(Object.entries(config.contexts).filter(([other]) => other !== name));
      writeConfig(path, {
        ...(config.current === undefined || config.current === name ? {} : { current: config.current }),
        contexts,
      });
      await stderr.write(`context ${name} is removed\n`);
    });

  context
    .command('show')
    .description('Shows which server is asked here and now, and why; the token is not shown.')
    .action(async () => {
      const { apiUrl, token, caPath, source } = env.context();
      const parts = {
        api: apiUrl,
        token: token === undefined ? 'none' : 'yes',
        ca: caPath ?? "the system's",
        from: source,
      };
      await stdout.write(
        `${Object.entries(parts)
          .map(([name, value]) => `${name.padEnd(6)} ${value}`)
          .join('\n')}\n`,
      );
    });
}

function existing(config: ConfigFile, name: string): ConfigFile {
  if (config.contexts[name] === undefined)
    throw usageError(`there is no context "${name}"`, 'muster context list shows those there are');
  return config;
}
