/** What the main of every service is made of: broker, registry, health, common settings. */
export {};
