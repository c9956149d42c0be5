# The sources of a package, and the version that they name.
{ lib }:

let
  root = ../.;
  line = lib.findFirst (lib.hasPrefix "__version__ = ") "" (
    lib.splitString "\n" (builtins.readFile (root + "/impermanenced/__init__.py"))
  );
in
{
  version = lib.removeSuffix "\"" (lib.removePrefix "__version__ = \"" line);

  # These files and folders alone, so that nothing else makes a package another one.
  only =
    wanted:
    lib.cleanSourceWith {
      name = "impermanenced";
      src = root;
      filter =
        path: _:
        let
          name = lib.removePrefix "${toString root}/" (toString path);
        in
        baseNameOf name != "__pycache__"
        && lib.any (one: name == one || lib.hasPrefix "${one}/" name || lib.hasPrefix "${name}/" one) wanted;
    };
}
