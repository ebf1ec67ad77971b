import { diffPacks } from '@muster/packs';
import { PackLinter } from '@muster/packs/lint';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { CliError } from '../terminal/cli-error.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { counted, parseOutput } from '../terminal/listing.js';
import { addAppliedPacks } from './applied-packs.js';
import { importFiles, type ImportOptions } from './import-command.js';
import { readPackFile, readSource } from './pack-files.js';
import { testPack } from './test-command.js';

/** `muster pack`: packs of checks in files, without a server; and those that a server has. */
export function addPackCommand(program: Command, env: CommandEnv): void {
  const pack = program.command('pack').description('Checks, tries, compares, imports and applies packs of checks.');
  pack
    .command('lint <files...>')
    .description('Checks the format of packs, and that their SQL compiles on the tables of their platforms.')
    .action((files: string[]) => lint(env, files));
  pack
    .command('test <file>')
    .description('Runs the checks of a pack on this machine, by an agent program and without a server.')
    .option('--agent <program>', 'the program of the agent', 'muster-agent')
    .option('-o, --output <form>', 'table|json|ndjson', 'table')
    .action((file: string, { agent, output }: { agent: string; output: string }) =>
      testPack(env, file, agent, parseOutput(output, ['table', 'json', 'ndjson'])),
    );
  pack
    .command('import <files...>')
    .description('Makes a pack of Fleet policies, osquery packs, commented SQL files or Wazuh SCA policies.')
    .requiredOption('--from <format>', 'fleet, osquery, sql or wazuh-sca')
    .requiredOption('-o, --output <file>', 'where the pack is written')
    .option('--name <name>', 'id and title of the pack; the name of the first file without it')
    .action((files: string[], options: ImportOptions) => importFiles(env, files, options));
  addAppliedPacks(pack, env);
  pack
    .command('diff <before> <after>')
    .description('Shows which checks were added, removed and changed.')
    .option('--json', 'as one object')
    .action((before: string, after: string, { json }: { json?: boolean }) => diff(env, [before, after], json === true));
}

async function lint(env: CommandEnv, files: readonly string[]): Promise<void> {
  const linter = await PackLinter.open();
  try {
    let faults = 0;
    for (const file of files) {
      const { pack, findings } = linter.lint((await readSource(file)).text);
      for (const { line, column, level, path, message } of findings)
        await env.terminal.stdout.write(
          `${file}:${line}:${column}: ${level}: ${escapeControls(path === '' ? message : `${path}: ${message}`)}\n`,
        );
      const found = findings.filter(({ level }) => level === 'fault').length;
      faults += found;
      if (pack !== undefined && found === 0)
        await env.terminal.stdout.write(
          `${file}: ${pack.id} ${pack.version}, ${counted(pack.checks.length, 'check')}\n`,
        );
    }
    if (faults > 0) throw new CliError(counted(faults, 'fault'));
  } finally {
    linter.close();
  }
}

async function diff(env: CommandEnv, [before, after]: readonly [string, string], asJson: boolean): Promise<void> {
  const found = diffPacks(await readPackFile(before), await readPackFile(after));
  if (asJson) return env.terminal.stdout.write(`${safeJson(found)}\n`);
  const lines = [
    ...found.pack.map((key) => `  pack: ${key}`),
    ...found.removed.map((id) => `- ${id}`),
    ...found.added.map((id) => `+ ${id}`),
    ...found.changed.map(({ id, keys }) => `~ ${id}: ${keys.join(', ')}`),
  ];
  if (lines.length === 0) lines.push('They are equal.');
  if (found.judgesOtherwise) lines.push('Outcomes before and after cannot be compared for all checks.');
  await env.terminal.stdout.write(`${lines.join('\n')}\n`);
}
