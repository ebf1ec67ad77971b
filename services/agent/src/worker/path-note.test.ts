import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { NOTE_HEAD_BYTES, PathNote } from './path-note.js';

test('a note has the last path and how many there were, from the beginning of the task', () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-note-'));
  const file = join(folder, 'note');
  const fd = openSync(file, 'w');
  const read = () => {
    const bytes = readFileSync(file);
    return {
      looked: bytes.readDoubleLE(0),
      path: bytes.toString('utf8', NOTE_HEAD_BYTES, bytes.indexOf(0, NOTE_HEAD_BYTES)),
    };
  };
  try {
    const note = new PathNote(fd);
    note.begin([]);
    for (const path of ['/usr/long-name', '/usr/b', '/usr/b', '/proc/1/stat', '/proc/1/status', '/é']) note.set(path);
    expect(read()).toEqual({ looked: 4, path: '/é' });
    note.begin([]);
    expect(read()).toEqual({ looked: 0, path: '' });
    note.set('/a');
    expect(read()).toEqual({ looked: 1, path: '/a' });
    for (const path of ['/proc/../a', '/proc/1/root/a', '/proc/../b']) note.set(path);
    expect(read()).toEqual({ looked: 4, path: '/proc/../b' });
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});

test('what hangs is touched by none of its names', () => {
  const note = new PathNote(-1);
  note.begin(['/mnt/hung']);
  for (const path of ['/mnt/hung', '/mnt/hung/a', '/proc/../mnt/hung/a', '//mnt/./hung', '/mnt/hung/../other'])
    expect(() => note.set(path)).toThrow('its file system does not answer');
  for (const path of ['/mnt', '/mnt/hungry', '/mnt/other/../x']) note.set(path);
});
