import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runCommand } from '../manifests/run-command.js';
import { boltFile, type BoltTree } from './bolt-file.js';

const DAY_MS = 86_400_000;

/** What trivy says: `CVE-2026-1 package`, by the name of the package that is installed. */
export async function trivyVerdicts(
  trivy: string,
  { database, files }: { readonly database: BoltTree; readonly files: Readonly<Record<string, string>> },
): Promise<Set<string>> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-verdicts-'));
  try {
    const put = (path: string, content: string | Buffer): void => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    };
    put('cache/db/trivy.db', boltFile(database));
    const [nowAt, nextAt] = [new Date().toISOString(), new Date(Date.now() + DAY_MS).toISOString()];
    put(
      'cache/db/metadata.json',
      JSON.stringify({ Version: 2, NextUpdate: nextAt, UpdatedAt: nowAt, DownloadedAt: nowAt }),
    );
    for (const [path, content] of Object.entries(files)) put(join('root', path), content);
    const flags = ['--cache-dir', join(folder, 'cache'), '--skip-db-update', '--offline-scan', '--quiet'];
    const ran = await runCommand(trivy, [
      ...['rootfs', ...flags, '--scanners', 'vuln', '--format', 'json'],
      join(folder, 'root'),
    ]);
    if (ran.code !== 0) throw new Error(`trivy ended with ${ran.code}: ${ran.stderr}`);
    const { Results = [] } = JSON.parse(ran.stdout) as Report;
    const found = Results.flatMap(({ Vulnerabilities = [] }) => Vulnerabilities);
    return new Set(found.map(({ VulnerabilityID, PkgName }) => `${VulnerabilityID} ${PkgName}`));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Report {
  readonly Results?: readonly {
    readonly Vulnerabilities?: readonly { readonly VulnerabilityID: string; readonly PkgName: string }[];
  }[];
}
