import { Select, TextField } from '../ui/controls.js';
import type { ActionField } from './fitting-actions.js';
import styles from './act.module.css';

const HINTS: Readonly<Record<string, string>> = {
  list: 'Several between blanks.',
  labels: 'name=value, several between blanks.',
};

/** The parameters of an action as form fields. */
export function ActionFields({
  fields,
  given,
  onGiven,
}: {
  fields: readonly ActionField[];
  given: Readonly<Record<string, string>>;
  onGiven: (given: Readonly<Record<string, string>>) => void;
}) {
  if (fields.length === 0) return null;
  return (
    <div className={styles['fields']}>
      {fields.map(({ name, description, kind, choices, fallback, isRequired }) => {
        const label = `${name}${isRequired ? ', needed' : ''}`;
        const value = given[name] ?? '';
        const change = (text: string): void => onGiven({ ...given, [name]: text });
        const options = kind === 'boolean' ? ['true', 'false'] : choices;
        return options.length > 0 ? (
          <Select
            key={name}
            label={label}
            value={value}
            choices={[
              { id: '', label: fallback === '' ? 'not said' : `${fallback} (default)` },
              ...options.map((id) => ({ id, label: id })),
            ]}
            onChange={change}
          />
        ) : (
          <TextField
            key={name}
            label={label}
            value={value}
            onChange={change}
            placeholder={fallback}
            hint={[description, HINTS[kind] ?? ''].filter((text) => text !== '').join('. ')}
          />
        );
      })}
    </div>
  );
}
