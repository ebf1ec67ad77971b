/** The one step of the Dockerfile's build stage: leaves each program in `/out/PROGRAM`. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync } from 'node:fs';

const OUT = '/out';
const BUNDLED = 'bundled';

if (existsSync(BUNDLED)) {
  cpSync(BUNDLED, OUT, { recursive: true });
} else {
  const run = (command, args) => execFileSync(command, args, { stdio: 'inherit' });
  // What is native comes ready in npm packages; nothing has to be compiled or downloaded.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  run('npm', ['run', '--silent', 'build']);
  const arch = process.env.TARGETARCH || (process.arch === 'arm64' ? 'arm64' : 'amd64');
  const args = ['deploy/images/bundle.mjs', '--out', OUT, '--arch', arch, '--abi', process.versions.modules];
  run(process.execPath, args);
}

// Empty: the folder of the agent's key, with its owner and mode.
mkdirSync(`${OUT}/agent-data`, { mode: 0o700 });
