/**
 * Stands in for the program that measures a machine: it answers a request with what the file of that name in the folder
 * has, or does what it says after `!`. It appends each request to the file `asked`.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const folder = process.argv[2] as string;
const requests = createInterface({ input: process.stdin });
requests.on('line', (line) => {
  const [ask = '', token = '', ...args] = line.split(' ');
  appendFileSync(join(folder, 'asked'), `${[ask, ...args].join(' ')}\n`);
  const text = readFileSync(join(folder, ask), 'utf8').replaceAll('TOKEN', token);
  if (text === '!die') process.exit(1);
  else if (text === '!hang') hang();
  else if (text === '!huge') flood();
  else if (text === '!unasked') {
    process.stdout.write(`{}\n${token}\n`);
    wait(() => process.stdout.write('more\n'));
  } else if (text === '!half') {
    process.stdout.write(`x${token}\n`);
    wait(() => process.stdout.write(`{}\n${token}\n`));
  } else if (text === '!pieces') for (const each of `{}\r\n${token}\r\n`) process.stdout.write(each);
  else if (text.startsWith('!wait\n')) wait(() => process.stdout.write(`${text.slice(6)}${token}\n`));
  else process.stdout.write(`${text}${token}\n`);
});
requests.on('close', () => process.exit(0));

/** With a tool of its own that hangs, too. */
function hang(): void {
  const tool = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
  writeFileSync(join(folder, 'tool'), String(tool.pid));
}

/** Until there is a file `go`. */
function wait(run: () => void): void {
  if (existsSync(join(folder, 'go'))) run();
  else setTimeout(() => wait(run), 2);
}

function flood(): void {
  process.stdout.write('x'.repeat(65_536), () => flood());
}
