# services.impermanenced.settings: the rest of config.toml, by the names of impermanence-config(5).
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.impermanenced;

  # Null is left out, so that the program's own default holds.
  optional =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };
  count = optional types.ints.unsigned;
  space = optional types.str;
  section =
    options:
    mkOption {
      default = { };
      description = "A section of config.toml.";
      type = types.submodule {
        freeformType = (pkgs.formats.toml { }).type;
        inherit options;
      };
    };

  clean = lib.filterAttrsRecursive (_: value: value != null && value != { });
in
{
  options.services.impermanenced = {
    settings = mkOption {
      default = { };
      example = lib.literalExpression ''{ archive.keep-days = 14; watch.ignore = [ "*.swp" ]; gate.inhibit = true; }'';
      description = ''
        config.toml, see {manpage}`impermanence-config(5)`.  What is rolled back is said in
        {option}`services.impermanenced.rollback`, and what persists in {option}`services.impermanenced.persist`.
      '';
      type = types.submodule {
        freeformType = (pkgs.formats.toml { }).type;
        options = {
          archive = section {
            keep-min = count "How many of the newest old roots of each volume stay, whatever their age.";
            keep-days = count "For how many days every old root stays.";
            keep-bytes = space "How much all old roots may hold, such as 10GiB or 10%.";
            free-min = space "How much shall be free, such as 10GiB or 10%.";
          };
          watch = section {
            ignore = mkOption {
              type = types.listOf types.str;
              default = [ ];
              description = "Patterns of paths that are no loss, in the syntax of gitignore.";
            };
            notice-bytes = space "Log at priority notice once undeclared data reaches this size.";
            warning-bytes = space "Log at priority warning once undeclared data reaches this size.";
            critical-bytes = space "Log at priority critical once undeclared data reaches this size.";
          };
          gate = section {
            warn = optional (types.listOf types.str) "The loss classes of which one path is enough to warn.";
            block = optional (types.listOf types.str) "The loss classes of which one path is enough to block.";
            warn-bytes = space "Warn once undeclared data reaches this size.";
            block-bytes = space "Block once undeclared data reaches this size.";
            inhibit = optional types.bool "Whether logind refuses to shut down while the gate blocks.";
          };
        };
      };
    };

    definedSettings = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = clean cfg.settings;
      description = "What is set of the settings.";
    };
  };
}
