export async function saveFlames(profileDir: string, scenario: string): Promise<readonly string[]> {
  return [profileDir, scenario].slice(2);
}
