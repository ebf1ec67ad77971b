import { Select, TextField } from '../ui/controls.js';
import { visible } from '../text/visible.js';
import { paramsOf, type Draft } from './draft.js';
import styles from './ask-form.module.css';

const HINTS: Readonly<Record<string, string>> = {
  list: 'several, with commas between',
  blob: 'Base64',
  null: 'always NULL',
};
const TRUTHS = [
  { id: 'true', label: 'true' },
  { id: 'false', label: 'false' },
];

/** The `:name` of the statements as form fields, of the types that a saved question says. */
export function Parameters({ draft, onDraft }: { draft: Draft; onDraft: (draft: Draft) => void }) {
  const names = paramsOf(draft);
  if (names.length === 0) return null;
  return (
    <div className={styles['params']} role="group" aria-label="Parameters">
      {names.map((name) => {
        const type = draft.types[name] ?? '';
        const label = `:${name} ${type}`.trim();
        const value = draft.params[name] ?? '';
        const change = (text: string): void => onDraft({ ...draft, params: { ...draft.params, [name]: text } });
        if (type === 'boolean')
          return <Select key={name} label={label} value={value || 'false'} choices={TRUTHS} onChange={change} />;
        const hint = [draft.notes[name] ?? '', HINTS[type] ?? ''].filter((text) => text !== '').join('; ');
        const number = type === 'integer' || type === 'number' ? numberFault(type, value) : undefined;
        return (
          <TextField
            key={name}
            label={label}
            value={value}
            onChange={change}
            {...(hint === '' ? {} : { hint: visible(hint) })}
            fault={number}
          />
        );
      })}
    </div>
  );
}

function numberFault(type: 'integer' | 'number', value: string): string | undefined {
  const text = value.trim();
  if (text === '') return 'needs a value';
  if (type === 'integer') return /^-?\d{1,19}$/.test(text) ? undefined : 'is no whole number';
  return Number.isNaN(Number(text)) ? 'is no number' : undefined;
}
