/** One field of an event, as its `format` file tells. */
export interface EventField {
  readonly offset: number;
  readonly size: number;
  readonly isSigned: boolean;
  /** The field says where in the event the bytes are: length in the upper half, offset in the lower. */
  readonly isDynamic: boolean;
}

export interface EventFormat {
  readonly id: number;
  readonly fields: ReadonlyMap<string, EventField>;
}

/** Where the parts of a page of a ring buffer are. */
export interface PageLayout {
  readonly timestampOffset: number;
  readonly commitOffset: number;
  readonly dataOffset: number;
  readonly pageBytes: number;
}

const FIELD = /^\tfield:([^;]+);\toffset:(\d+);\tsize:(\d+);\tsigned:([01]);/;

/** Reads `events/SYSTEM/NAME/format`. `undefined` when it is none. */
export function parseEventFormat(text: string): EventFormat | undefined {
  const id = /^ID: (\d+)$/m.exec(text)?.[1];
  return id === undefined ? undefined : { id: Number(id), fields: parseFields(text) };
}

/** Reads `events/header_page`. `undefined` when it is none. */
export function parsePageHeader(text: string): PageLayout | undefined {
  const fields = parseFields(text);
  const [timestamp, commit, data] = ['timestamp', 'commit', 'data'].map((name) => fields.get(name));
  if (timestamp?.size !== 8 || commit === undefined || data === undefined) return undefined;
  return {
    timestampOffset: timestamp.offset,
    commitOffset: commit.offset,
    dataOffset: data.offset,
    pageBytes: data.offset + data.size,
  };
}

/** Whether `events/header_event` describes the packing that {@link readPage} knows: the only one that there ever was. */
export function isKnownPacking(text: string): boolean {
  const lines = text.split('\n').map((line) => line.replaceAll(/\s+/g, ' ').trim());
  return PACKING.every((line) => lines.includes(line));
}

const PACKING = [
  'type_len : 5 bits',
  'time_delta : 27 bits',
  'array : 32 bits',
  'padding : type == 29',
  'time_extend : type == 30',
  'data max type_len == 28',
];

function parseFields(text: string): Map<string, EventField> {
  const fields = new Map<string, EventField>();
  for (const line of text.split('\n')) {
    const [, declaration = '', offset, size, signed] = FIELD.exec(line) ?? [];
    const name = /(\w+)(\[\w*\])?$/.exec(declaration)?.[1];
    if (name === undefined) continue;
    fields.set(name, {
      offset: Number(offset),
      size: Number(size),
      isSigned: signed === '1',
      isDynamic: declaration.startsWith('__data_loc '),
    });
  }
  return fields;
}
