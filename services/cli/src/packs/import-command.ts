import { writeFile } from 'node:fs/promises';
import { type Pack, writePack } from '@muster/packs';
import { IMPORT_FORMATS, type ImportNote, importPack } from '@muster/packs/import';
import { PackLinter } from '@muster/packs/lint';
import type { CommandEnv } from '../environment/command-env.js';
import { escapeControls } from '../terminal/escape.js';
import { CliError, EXIT, usageError } from '../terminal/cli-error.js';
import { counted } from '../terminal/listing.js';
import { readSource } from './pack-files.js';

export interface ImportOptions {
  readonly from: string;
  readonly output: string;
  readonly name?: string;
}

/** `muster pack import`: writes what was read as a pack, and says what could not be taken over. */
export async function importFiles(env: CommandEnv, paths: readonly string[], options: ImportOptions): Promise<void> {
  const from = IMPORT_FORMATS.find((one) => one === options.from);
  if (from === undefined) throw usageError(`--from must be one of ${IMPORT_FORMATS.join(', ')}, not "${options.from}"`);
  const files = [];
  for (const path of paths) files.push(await readSource(path));
  const name = options.name ?? (files[0]?.name ?? 'imported').replace(/\.[a-z]+$/i, '');
  const read = importPack(files, from, name);
  const notes = [...read.notes];
  const pack = read.pack && (await fitPack(read.pack, notes));
  for (const { subject, message } of notes)
    await env.terminal.stderr.write(`${escapeControls(subject)}: ${escapeControls(message)}\n`);
  if (pack === undefined) throw new CliError('nothing could be taken over');
  await writeFile(
    options.output,
    writePack(pack, `Imported from ${from}: ${files.map((file) => file.name).join(', ')}`),
  );
  const without = pack.checks.filter((check) => check.not_applicable !== undefined).length;
  const runs = counted(pack.checks.length - without, 'check');
  await env.terminal.stdout.write(`${options.output}: ${runs}, and ${without} that cannot run here\n`);
  if (notes.length > 0) env.exit(EXIT.partial);
}

async function fitPack(pack: Pack, notes: ImportNote[]): Promise<Pack> {
  const linter = await PackLinter.open();
  try {
    const checks = pack.checks.map((check) => {
      const fitted = linter.fit(check);
      if (fitted.note !== undefined) notes.push({ subject: check.id, message: fitted.note });
      return fitted.check;
    });
    return { ...pack, checks };
  } finally {
    linter.close();
  }
}
