// diamond-types with nobody who would send what is typed: edits, and no updates.

export { quietText as text } from './diamondtypes.mjs';
