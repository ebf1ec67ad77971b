/**
 * `npm run cli-reference`: writes `docs/cli-reference.md` and `docs/muster.1` from the commands themselves. Reads the
 * compiled packages. With `--check` it writes nothing, and ends with 1 where a file is not current.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { createProgram } = await import(new URL('../../services/cli/dist/run.js', import.meta.url));
const { ProcessEnv } = await import(new URL('../../services/cli/dist/environment/command-env.js', import.meta.url));
const { programVersion } = await import(
  new URL('../../services/cli/dist/environment/program-version.js', import.meta.url)
);

const out = { isTTY: false, columns: 100, write: () => Promise.resolve() };
const program = createProgram(
  new ProcessEnv({ stdout: out, stderr: out, env: {}, cwd: '/', home: '/' }),
  () => undefined,
);

/** Every command that is shown, with its whole name. */
function* commandsOf(command, name) {
  yield { command, name };
  for (const one of command.commands) {
    if (!one.name().startsWith('__')) yield* commandsOf(one, `${name} ${one.name()}`);
  }
}

const usageOf = ({ command, name }) => `${name} ${command.usage()}`.replaceAll(/\n\s+/g, '\n').trimEnd();
const optionsOf = ({ command }) =>
  command.options.map(({ flags, description, defaultValue }) => ({
    flags,
    text: description + (defaultValue === undefined || defaultValue === false ? '' : ` (default ${defaultValue})`),
  }));
const argumentsOf = ({ command }) =>
  command.registeredArguments
    .filter(({ description }) => description !== '')
    .map((one) => ({ flags: one.name(), text: one.description }));

function markdown(commands) {
  const parts = commands.map((one) => {
    const lines = [...argumentsOf(one), ...optionsOf(one)].map(({ flags, text }) => `- \`${flags}\`: ${escaped(text)}`);
    return `## ${one.name}\n\n${escaped(one.command.description())}\n\n\`\`\`\n${usageOf(one)}\n\`\`\`\n\n${lines.join('\n')}\n`;
  });
  return `# muster: every command and option\n\nMade from the program by \`npm run cli-reference\`. [The command line](cli.md) says how they are used together.\n\n${parts.join('\n')}`;
}

/** Text that Markdown would take for markup; what is in backticks stays. */
function escaped(text) {
  return text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll(/[*_<>]/g, '\\$&')))
    .join('');
}

/** A line of text for roff: man(7). */
const roff = (text) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('`', '')
    .replace(/^([.'])/, '\\&$1');

function manPage(commands) {
  const lines = [
    `.TH MUSTER 1 "" "muster ${programVersion()}" "Muster"`,
    '.SH NAME',
    `muster \\- ${roff(program.description())}`,
    '.SH SYNOPSIS',
    '.B muster',
    roff('[options] command …'),
    '.SH COMMANDS',
  ];
  for (const one of commands) {
    lines.push(`.SS ${roff(one.name)}`, roff(one.command.description()), '.PP', ...usageOf(one).split('\n').map(roff));
    for (const { flags, text } of [...argumentsOf(one), ...optionsOf(one)])
      lines.push('.TP', `.B ${roff(flags)}`, roff(text));
  }
  lines.push(
    '.SH EXIT STATUS',
    ...['0 complete', '1 error', '2 usage', '3 some endpoints did not answer, or some targets did not succeed'].flatMap(
      (text) => ['.TP', `.B ${text[0]}`, roff(text.slice(2))],
    ),
    '.SH ENVIRONMENT',
    roff('MUSTER_API_URL, MUSTER_TOKEN, MUSTER_CA, MUSTER_CONTEXT, MUSTER_CONSOLE_URL, TZ, NO_COLOR'),
  );
  return `${lines.join('\n')}\n`;
}

const commands = [...commandsOf(program, 'muster')];
const settings = JSON.parse(readFileSync(join(ROOT, '.prettierrc.json'), 'utf8'));
const files = {
  'docs/cli-reference.md': await format(markdown(commands), { ...settings, parser: 'markdown' }),
  'docs/muster.1': manPage(commands),
};
for (const [path, text] of Object.entries(files)) {
  if (!process.argv.includes('--check')) writeFileSync(join(ROOT, path), text);
  else if (readFileSync(join(ROOT, path), 'utf8') !== text) {
    console.error(`${path} is not current: npm run cli-reference`);
    process.exitCode = 1;
  }
}
