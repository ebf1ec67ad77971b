import { describe, expect, it } from '@jest/globals';
import { parseUtmp } from './utmp.js';

function record(type: number, pid: number, texts: { tty: string; user: string; host: string }, time: number): Buffer {
  const bytes = Buffer.alloc(384);
  bytes.writeInt16LE(type, 0);
  bytes.writeInt32LE(pid, 4);
  bytes.write(texts.tty, 8);
  bytes.write(texts.user, 44);
  bytes.write(texts.host, 76);
  bytes.writeUInt32LE(time, 340);
  return bytes;
}

describe('login records', () => {
  it('bytes that are not UTF-8 are kept', () => {
    const login = record(7, 1, { tty: 'pts/0', user: '', host: '' }, 1);
    login.write('b\xffb', 44, 'latin1');
    login.write('h\xfe', 76, 'latin1');
    expect(parseUtmp(login)).toMatchObject([{ user: 'b\uefffb', host: 'h\ueffe' }]);
  });

  it('reads complete records and skips a truncated one', () => {
    const boot = record(2, 0, { tty: '~', user: 'reboot', host: '6.1.0-18-amd64' }, 1_700_000_000);
    const login = record(7, 812, { tty: 'pts/0', user: 'a'.repeat(32), host: '2001:db8::7' }, 4_000_000_000);
    expect(parseUtmp(Buffer.concat([boot, login, login.subarray(0, 100)]))).toEqual([
      { type: 2, typeName: 'boot-time', pid: 0, tty: '~', user: 'reboot', host: '6.1.0-18-amd64', time: 1_700_000_000 },
      {
        type: 7,
        typeName: 'normal',
        pid: 812,
        tty: 'pts/0',
        user: 'a'.repeat(32),
        host: '2001:db8::7',
        time: 4_000_000_000,
      },
    ]);
  });
});
