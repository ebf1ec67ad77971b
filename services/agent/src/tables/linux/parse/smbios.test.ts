import { describe, expect, it } from '@jest/globals';
import { memoryDevice, parseSmbios } from './smbios.js';

describe('SMBIOS', () => {
  it('a table that is cut, or lies about lengths, ends the rows and nothing else', () => {
    const device = Buffer.alloc(0x28);
    device[0] = 17;
    device[1] = device.length;
    const table = Buffer.concat([device, Buffer.from('A\0\0')]);
    expect([...parseSmbios(table)].map((one) => memoryDevice(one)?.['size'])).toEqual([0]);
    expect([...parseSmbios(table.subarray(0, 30))]).toEqual([]);
    for (let bytes = 0; bytes < table.length; bytes += 1) {
      for (const lie of [0, 1, 3, 0xff]) {
        const forged = Buffer.from(table);
        forged[bytes] = lie;
        for (const one of parseSmbios(forged)) memoryDevice(one);
      }
    }
  });
});
