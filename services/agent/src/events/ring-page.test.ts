import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type KernelEvent, EventDecoder, TRACE_POINTS } from './kernel-event.js';
import { readPage } from './ring-page.js';
import { isKnownPacking, parseEventFormat, parsePageHeader } from './trace-format.js';

const HEADER_PAGE = `\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;
\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;
\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;
\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;
`;
const HEADER_EVENT = `# compressed entry header
\ttype_len    :    5 bits
\ttime_delta  :   27 bits
\tarray       :   32 bits

\tpadding     : type == 29
\ttime_extend : type == 30
\ttime_stamp : type == 31
\tdata max type_len  == 28
`;
const COMMON = `\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;
`;
const EXEC = `name: sched_process_exec
ID: 365
format:
${COMMON}
\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
\tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;

print fmt: "filename=%s pid=%d old_pid=%d", __get_str(filename), REC->pid, REC->old_pid
`;
const EXIT = `name: sched_process_exit
ID: 369
format:
${COMMON}
\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;
\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;
`;
const STATE = `name: inet_sock_set_state
ID: 2287
format:
${COMMON}
\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;
\tfield:int newstate;\toffset:20;\tsize:4;\tsigned:1;
\tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;
\tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;
\tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;
\tfield:__u16 protocol;\toffset:30;\tsize:2;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;
\tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;
\tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;
\tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;
`;
const LAYOUT = parsePageHeader(HEADER_PAGE)!;

/** Pages of Linux 6.18 on x86-64: the start of /bin/true and its end, and of dirname twice. */
const RECORDED = [
  '03fd7d1ff30000004c00000000000000080000006d0100008817000014000a0088170000881700002f62696e2f7472756500000069d2a60d7101000088170000747275650000000000000000000000008817000078000000010000000000000000000000',
  'b1ada31ef300000080000000000000000a0000006d010000871700001400110087170000871700002f7573722f62696e2f6469726e616d650000000002939d41d71010000871700006469726e616d650000000000000000008717000078000000010000000a02ea166d010000891700001400110089170000891700002f7573722f62696e2f6469726e616d65000000',
];

function decoder(): EventDecoder {
  const decoder = new EventDecoder();
  const formats = [EXEC, EXIT, STATE].map((text) => parseEventFormat(text)!);
  for (const [index, point] of [...TRACE_POINTS.process, ...TRACE_POINTS.socket].entries())
    expect(decoder.add(point, formats[index]!)).toBeUndefined();
  return decoder;
}

function page(hex: string): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write(hex, 'hex');
  return bytes;
}

function eventsOf(bytes: Buffer): (KernelEvent | undefined)[] {
  const events: (KernelEvent | undefined)[] = [];
  const known = decoder();
  expect(readPage(bytes, LAYOUT, (atNs, data) => events.push(known.decode(atNs, data))).isDamaged).toBe(false);
  return events;
}

/** A page with events, each a head word, and words or bytes after it. */
function made(parts: readonly (number | Buffer)[], { at = 1_000n, flags = 0 } = {}): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'number' ? word(part) : part)));
  const bytes = Buffer.alloc(4096);
  bytes.writeBigUInt64LE(at, 0);
  bytes.writeUInt32LE((body.length | flags) >>> 0, 8);
  body.copy(bytes, 16);
  return bytes;
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

const head = (type: number, delta: number): number => ((delta << 5) | type) >>> 0;

describe('a page of the ring buffer', () => {
  test('that a kernel wrote has its events', () => {
    expect(eventsOf(page(RECORDED[0]!))).toEqual([
      { kind: 'exec', atNs: 1_044_205_403_395, pid: 6024, path: '/bin/true' },
      { kind: 'exit', atNs: 1_044_205_403_395 + (0x0da6d269 >>> 5), thread: 6024 },
    ]);
    expect([isKnownPacking(HEADER_EVENT), isKnownPacking(HEADER_EVENT.replace('27', '26'))]).toEqual([true, false]);
  });

  test('has long events, times far apart, and what was discarded', () => {
    const taken: [number, string][] = [];
    const end = readPage(
      made([
        ...[head(1, 5), Buffer.from('abcd')],
        ...[head(30, 7), 3],
        ...[head(29, 1), 8, Buffer.from('gone')],
        ...[head(0, 2), 12, Buffer.from('longer!!')],
        ...[head(31, 9), 2],
        ...[head(2, 1), Buffer.from('the last')],
        ...[head(29, 0), Buffer.from('not an event at all.')],
      ]),
      LAYOUT,
      (atNs, data) => taken.push([atNs, data.toString()]),
    );
    expect(end).toEqual({ isAfterLoss: false, isDamaged: false });
    const extended = 1_005 + 3 * 2 ** 27 + 7;
    expect(taken).toEqual([
      [1_005, 'abcd'],
      [extended + 2, 'longer!!'],
      [2 * 2 ** 27 + 10, 'the last'],
    ]);
  });

  test('says that events before it were overwritten, and where it ends badly', () => {
    const ends = [
      made([head(1, 1), Buffer.from('abcd')], { flags: 0x8000_0000 }),
      made([head(5, 1), Buffer.from('abcd')]),
      made([head(0, 1), 4_000]),
      made([head(0, 1)]),
      made([], { flags: 0x3000 }),
      Buffer.alloc(3),
    ].map((bytes) => readPage(bytes, LAYOUT, () => {}));
    expect(ends.map(({ isAfterLoss, isDamaged }) => [isAfterLoss, isDamaged])).toEqual([
      [true, false],
      ...Array.from({ length: 5 }, () => [false, true]),
    ]);
  });

  test('of any bytes ends, and tells nothing beyond it', () => {
    const known = decoder();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 256 }), fc.nat(0xffff), (bytes, commit) => {
        const whole = Buffer.concat([Buffer.alloc(8), word(commit), word(0), Buffer.from(bytes)]);
        readPage(whole, LAYOUT, (atNs, data) => {
          expect(data.length).toBeLessThanOrEqual(bytes.length);
          known.decode(atNs, data);
        });
      }),
    );
  });
});

describe('an event', () => {
  const exec = (name: Buffer, place = (name.length << 16) | 20): Buffer =>
    Buffer.concat([word(365), word(7), word(place), word(7), word(7), name]);

  test('has the bytes of its name, whatever they are', () => {
    const names = [
      Buffer.from('/tmp/a\n b pid=1 old_pid=1\0'),
      Buffer.from([0x2f, 0xff, 0x0a, 0]),
      Buffer.from('no end'),
    ];
    const paths = names.map((name) => decoder().decode(1, exec(name)));
    expect(paths.map((event) => event?.kind === 'exec' && event.path)).toEqual([
      '/tmp/a\n b pid=1 old_pid=1',
      '/\uefff\n',
      'no end',
    ]);
  });

  test('that is shorter than it says, or of another kind, is none', () => {
    const short = [
      exec(Buffer.from('/x\0'), (200 << 16) | 20),
      exec(Buffer.alloc(0)).subarray(0, 12),
      Buffer.from([1]),
    ];
    expect([...short, Buffer.concat([word(366), Buffer.alloc(40)])].map((data) => decoder().decode(1, data))).toEqual(
      Array.from({ length: 4 }, () => undefined),
    );
  });

  test('of a socket has its ends and ports as unsigned numbers', () => {
    const data = Buffer.alloc(72);
    data.writeUInt16LE(2287, 0);
    data.writeInt32LE(7, 4);
    data.writeBigUInt64LE(0xffff_8881_0000_1234n, 8);
    data.writeInt32LE(2, 16);
    data.writeInt32LE(1, 20);
    for (const [at, value] of [
      [24, 50_000],
      [26, 443],
      [28, 10],
      [30, 262],
    ] as const)
      data.writeUInt16LE(value, at);
    data.write('20010db8000000000000000000000001', 40, 'hex');
    data.write('20010db8000000000000000000000002', 56, 'hex');
    expect(decoder().decode(9, data)).toEqual({
      ...{ kind: 'state', atNs: 9, thread: 7, socket: '341200008188ffff', from: 2, to: 1, family: 10, protocol: 262 },
      ...{ localPort: 50_000, remotePort: 443 },
      ...{ local: '20010db8000000000000000000000001', remote: '20010db8000000000000000000000002' },
    });
  });

  test('whose format lacks a field is refused', () => {
    const format = parseEventFormat(EXEC.replaceAll('filename', 'name'))!;
    expect(new EventDecoder().add(TRACE_POINTS.process[0]!, format)).toBe('filename');
    expect(parseEventFormat('nothing')).toBeUndefined();
    expect(parsePageHeader('nothing')).toBeUndefined();
  });
});
