import type { TableRow } from '@muster/tables';

/** One structure of the SMBIOS table (DSP0134): its formatted part, and the texts behind it. */
export interface SmbiosStructure {
  readonly type: number;
  readonly handle: number;
  /** Header and fields. */
  readonly fields: Buffer;
  /** Fields and texts, with the two zeros at their end. */
  readonly whole: Buffer;
}

const HEADER_BYTES = 4;

/** The structures of a table, as far as it is well formed. */
export function* parseSmbios(table: Buffer): Iterable<SmbiosStructure> {
  for (let at = 0; at + HEADER_BYTES <= table.length;) {
    const [type = 0, length = 0] = table.subarray(at, at + 2);
    const handle = table.readUInt16LE(at + 2);
    if (at + length > table.length || (length === 0 && handle === 0)) return;
    const end = endOf(table, at + length);
    yield { type, handle, fields: table.subarray(at, at + length), whole: table.subarray(at, end) };
    if (end === at) return;
    at = end;
  }
}

/** Texts end with two zeros; also where there are none. */
function endOf(table: Buffer, from: number): number {
  const zeros = table.indexOf('\0\0', from, 'latin1');
  return zeros < 0 ? table.length : zeros + 2;
}

const TYPES: Readonly<Record<number, string>> = Object.fromEntries(
  [
    ...['BIOS Information', 'System Information', 'Base Board or Module Information', 'System Enclosure or Chassis'],
    ...['Processor Information', 'Memory Controller Information', 'Memory Module Information', 'Cache Information'],
    ...['Port Connector Information', 'System Slots', 'On Board Devices Information', 'OEM Strings'],
    ...['System Configuration Options', 'BIOS Language Information', 'Group Associations', 'System Event Log'],
    ...['Physical Memory Array', 'Memory Device', '32-bit Memory Error Information', 'Memory Array Mapped Address'],
    ...['Memory Device Mapped Address', 'Built-in Pointing Device', 'Portable Battery', 'System Reset'],
    ...['Hardware Security', 'System Power Controls', 'Voltage Probe', 'Cooling Device', 'Temperature Probe'],
    ...['Electrical Current Probe', 'Out-of-Band Remote Access', 'Boot Integrity Services', 'System Boot Information'],
    ...['64-bit Memory Error Information', 'Management Device', 'Management Device Component'],
    ...['Management Device Threshold Data', 'Memory Channel', 'IPMI Device Information', 'System Power Supply'],
    ...['Additional Information', 'Onboard Devices Extended Info'],
  ].map((name, type) => [type, name] as const),
);
const OTHER_TYPES: Readonly<Record<number, string>> = {
  ...{ 126: 'Inactive', 127: 'End-of-Table', 130: 'Memory SPD Data' },
  ...{ 131: 'OEM Processor Type', 132: 'OEM Processor Bus Speed' },
};

/** osquery's name of a type. */
export function smbiosTypeName(type: number): string {
  return TYPES[type] ?? OTHER_TYPES[type] ?? 'Unknown';
}

// Lists of the specification, each from 1.
const FORM_FACTORS = [
  ...['Other', 'Unknown', 'SIMM', 'SIP', 'Chip', 'DIP', 'ZIP', 'Proprietary Card', 'DIMM', 'TSOP', 'Row of chips'],
  ...['RIMM', 'SODIMM', 'SRIMM', 'FB-DIMM', 'Die'],
];
const MEMORY_TYPES = [
  ...['Other', 'Unknown', 'DRAM', 'EDRAM', 'VRAM', 'SRAM', 'RAM', 'ROM', 'FLASH', 'EEPROM', 'FEPROM', 'EPROM'],
  ...['CDRAM', '3DRAM', 'SDRAM', 'SGRAM', 'RDRAM', 'DDR', 'DDR2', 'DDR2 FB-DIMM', 'RESERVED', 'RESERVED', 'RESERVED'],
  ...['DDR3', 'FBD2', 'DDR4', 'LPDDR', 'LPDDR2', 'LPDDR3', 'LPDDR4', 'Logical non-volatile device', 'HBM', 'HBM2'],
  ...['DDR5', 'LPDDR5', 'HBM3'],
];
const DETAILS = [
  ...['Reserved', 'Other', 'Unknown', 'Fast-paged', 'Static column', 'Pseudo-static', 'RAMBUS', 'Synchronous', 'CMOS'],
  ...['EDO', 'Window DRAM', 'Cache DRAM', 'Non-volatile', 'Registered (Buffered)', 'Unbuffered (Unregistered)'],
  'LRDIMM',
];

export const MEMORY_DEVICE = 17;

/** A row of memory_devices. `undefined` for another structure, and for one of a version before 2.8. */
export function memoryDevice({ type, handle, fields, whole }: SmbiosStructure): TableRow | undefined {
  if (type !== MEMORY_DEVICE || fields.length < 0x28) return undefined;
  const word = (at: number): number => fields.readUInt16LE(at);
  const known = (value: number, ...unknown: number[]): number | undefined =>
    unknown.includes(value) ? undefined : value;
  const text = (at: number): string => smbiosText(whole.subarray(fields.length), fields[at] ?? 0);
  const size = word(0x0c);
  return {
    handle: hex(handle),
    array_handle: hex(word(0x04)),
    form_factor: FORM_FACTORS[(fields[0x0e] ?? 0) - 1] ?? '',
    total_width: known(word(0x08), 0xffff),
    data_width: known(word(0x0a), 0xffff),
    // Sizes that do not fit are further behind; with the highest bit set it counts kilobytes.
    size:
      size === 0x7fff
        ? fields.readUInt32LE(0x1c)
        : size & 0x8000 && size !== 0xffff
          ? (size & 0x7fff) / 1_024
          : known(size, 0xffff),
    set: known(fields[0x0f] ?? 0xff, 0xff),
    ...{ device_locator: text(0x10), bank_locator: text(0x11) },
    memory_type: MEMORY_TYPES[(fields[0x12] ?? 0) - 1] ?? '',
    memory_type_details: DETAILS.filter((_, bit) => (word(0x13) & (1 << bit)) !== 0).join(' '),
    ...{ max_speed: known(word(0x15), 0, 0xffff), configured_clock_speed: known(word(0x20), 0, 0xffff) },
    ...{ manufacturer: text(0x17), serial_number: text(0x18), asset_tag: text(0x19), part_number: text(0x1a) },
    ...{
      min_voltage: known(word(0x22), 0),
      max_voltage: known(word(0x24), 0),
      configured_voltage: known(word(0x26), 0),
    },
  };
}

const BIOS = 0;

/** A row of platform_info. `undefined` for another structure. */
export function biosInformation({ type, fields, whole }: SmbiosStructure): TableRow | undefined {
  if (type !== BIOS || fields.length < 0x16) return undefined;
  const text = (at: number): string => smbiosText(whole.subarray(fields.length), fields[at] ?? 0);
  return {
    ...{ vendor: text(0x04), version: text(0x05), date: text(0x08), address: hex(fields.readUInt16LE(0x06)) },
    // Blocks of 64 KiB, without the first.
    ...{ size: ((fields[0x09] ?? 0) + 1) * 65_536, revision: `${fields[0x14]}.${fields[0x15]}`, volume_size: 0 },
  };
}

/** The text with that number, from 1; 0 is none. */
function smbiosText(texts: Buffer, number: number): string {
  if (number === 0) return '';
  return (texts.toString('latin1').split('\0')[number - 1] ?? '').trimEnd();
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}
