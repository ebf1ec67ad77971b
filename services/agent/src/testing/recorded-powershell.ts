import { asciiJson } from '../actions/windows/powershell.js';

/**
 * Answers of the sampling script, written after Microsoft's descriptions of the classes
 * (Win32_PerfRawData_PerfDisk_PhysicalDisk, Win32_PerfRawData_PerfOS_Memory, Win32_PerfRawData_PerfProc_Process,
 * Win32_LogicalDisk, Win32_PageFileUsage, Win32_Battery, Win32_PerfRawData_Counters_ThermalZoneInformation) and of
 * System.Net.NetworkInformation. No Windows has given them.
 */
export const STANDARD = asciiJson({
  disks: [
    ['0 C:', 512_000, 1_024_000, 100, 200, 30_000_000, 40_000_000, 134_000_000_000_000_000, 134_000_000_500_000_000],
    ['1 D: E:', 0, 0, 0, 0, 0, 0, 134_000_000_500_000_000, 134_000_000_500_000_000],
    ['_Total', 512_000, 1_024_000, 100, 200, 30_000_000, 40_000_000, 268_000_000_000_000_000, 134_000_000_500_000_000],
  ],
  interfaces: [
    ['Ethernet 2', 'Ethernet', 1_000, 2_000, 10, 20, 1, 2, 3, 4],
    ['Loopback Pseudo-Interface 1', 'Loopback', 9, 9, 9, 9, 0, 0, 0, 0],
    ['Wi-Fi', 'Wireless80211', 0, 0, 0, 0, 0, 0, 0, 0],
    ['Büro', 'Ethernet', 5, 6, 1, 1, 0, 0, 0, 0],
  ],
  memory: [[2_147_483_648, 104_857_600, 1_048_576_000, 52_428_800]],
  own: [[1_500, 73_400_320]],
});

export const DETAILED = asciiJson({
  processes: [
    ['Idle', 0, 900_000_000_000, 134_000_000_000_000_000, 8_192, 8],
    ['System', 4, 60_000_000, 134_000_000_000_000_000, 151_552, 210],
    ['svchost', 812, 20_000_000, 134_000_000_010_000_000, 20_971_520, 14],
    ['svchost#1', 1_340, 10_000_000, 134_000_000_020_000_000, 41_943_040, 9],
    ['_Total', 0, 990_000_000_000, 134_000_000_500_000_000, 62_922_752, 241],
  ],
  connections: [
    [2, 18],
    [5, 42],
    [11, 7],
    [8, 3],
  ],
  volumes: [
    ['C:', 255_403_749_376, 95_775_010_816],
    ['E:', null, null],
  ],
  paging: [[4_096, 512]],
  batteries: [[' 2145 ASUS Battery', 83, 1]],
  temperatures: [
    ['\\_TZ.THRM', 3_342],
    ['\\_TZ.NONE', 0],
  ],
});

/** The same processes two seconds later. */
export const DETAILED_LATER = asciiJson({
  ...(JSON.parse(DETAILED) as Record<string, unknown>),
  processes: [
    ['System', 4, 61_000_000, 134_000_000_000_000_000, 151_552, 210],
    ['svchost', 1_340, 20_000_000, 134_000_000_020_000_000, 41_943_040, 9],
    ['chrome', 812, 5_000_000, 134_000_000_300_000_000, 83_886_080, 30],
  ],
});

export const USERS = asciiJson({
  users: [
    [4, null],
    [812, 'ACME\\müller'],
    [1_340, 'NT AUTHORITY\\SYSTEM'],
  ],
});
