# What persists is said once: in the modules that are there, or in ours.  The configuration gets it from either.
{
  config,
  lib,
  options,
  ...
}:

let
  inherit (lib) concatLists mapAttrsToList optionals;
  cfg = config.services.impermanenced;
  declared = import ../declared.nix { inherit lib; };
  pure = import ../lib.nix { inherit lib; };
  users = config.users.users;

  homes = config.home-manager.users or { };
  known = lib.filterAttrs (user: _: users ? ${user}) homes;
  unknown = lib.attrNames (lib.filterAttrs (user: _: !(users ? ${user})) homes);

  entries =
    cfg.persistEntries
    ++ declared.ofImpermanence users "environment.persistence" (config.environment.persistence or { })
    ++ concatLists (
      mapAttrsToList (
        user: home:
        declared.ofHome users user "home-manager.users.${user}.home.persistence" (home.home.persistence or { })
      ) known
    )
    ++ optionals (config.preservation.enable or false) (declared.ofPreservation users config.preservation.preserveAt);

  noUser = option: user: pure.oneLine ''
    ${option}: there is no users.users.${user}, so the user has neither a home nor a group.  Define the user, or take this
    one out.'';
  strangers = concatLists (
    mapAttrsToList (
      name: block:
      map (user: noUser ''services.impermanenced.persist."${name}".users.${user}'' user) (
        builtins.filter (user: !(users ? ${user})) (lib.attrNames block.users)
      )
    ) cfg.persist
  );
  fail = message: {
    assertion = false;
    message = pure.oneLine message;
  };
in
{
  options.services.impermanenced.declared = lib.mkOption {
    type = lib.types.raw;
    internal = true;
    readOnly = true;
    default = declared.table entries;
    description = "The table [persist] of config.toml.";
  };

  config = lib.mkIf cfg.enable (
    {
      assertions =
        map fail strangers
        ++ map (
          { path, sources }:
          fail ''
            ${path} is declared ${if builtins.length sources > 1 then "by " else "twice by "}${lib.concatStringsSep " and by " sources}:
            two mounts would be made at one place.  Leave one out.''
        ) (declared.twice entries);
    }
    // lib.optionalAttrs (options ? home-manager) {
      # home-manager asks for the user before an assertion could say anything; this comes before it asks.
      home-manager.sharedModules = map (
        user: throw (noUser "home-manager.users.${user}" user)
      ) unknown;
    }
  );
}
