// Names of time zones, as the IANA database spells them today. Browsers still say some of the old names.

const TODAY = {
  "Africa/Asmera": "Africa/Asmara",
  "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
  "America/Catamarca": "America/Argentina/Catamarca",
  "America/Coral_Harbour": "America/Atikokan",
  "America/Cordoba": "America/Argentina/Cordoba",
  "America/Godthab": "America/Nuuk",
  "America/Indianapolis": "America/Indiana/Indianapolis",
  "America/Jujuy": "America/Argentina/Jujuy",
  "America/Louisville": "America/Kentucky/Louisville",
  "America/Mendoza": "America/Argentina/Mendoza",
  "Asia/Calcutta": "Asia/Kolkata",
  "Asia/Katmandu": "Asia/Kathmandu",
  "Asia/Rangoon": "Asia/Yangon",
  "Asia/Saigon": "Asia/Ho_Chi_Minh",
  "Atlantic/Faeroe": "Atlantic/Faroe",
  "Europe/Kiev": "Europe/Kyiv",
  "Pacific/Enderbury": "Pacific/Kanton",
  "Pacific/Ponape": "Pacific/Pohnpei",
  "Pacific/Truk": "Pacific/Chuuk",
};

const spelled = (name) => TODAY[name] ?? name;

export const zoneNames = () => [...new Set(["UTC", ...Intl.supportedValuesOf("timeZone").map(spelled)])].sort();

export const browserZone = () => spelled(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");

/** What a person wrote as a zone's name, in any case; undefined: there is none. */
export function readZone(text) {
  const wanted = text.trim().replaceAll(" ", "_").toLowerCase();
  return zoneNames().find((name) => name.toLowerCase() === wanted || name.toLowerCase().endsWith(`/${wanted}`));
}
