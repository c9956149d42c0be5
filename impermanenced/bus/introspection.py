"""What the bus sees.  systemd/dbus/org.impermanence.Manager1.xml is this text, for those who read files."""

from __future__ import annotations

from typing import Final

BUS_NAME: Final = "org.impermanence.Manager1"
OBJECT_PATH: Final = "/org/impermanence/Manager1"
INTERFACE: Final = "org.impermanence.Manager1"

XML: Final = """\
<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node name="/org/impermanence/Manager1">
  <interface name="org.impermanence.Manager1">
    <!-- What the next boot would lose: the JSON of `impermanence status`, in a file to read from its start.
         Root sees everything, another user the entries that belong to them and the sums of the others. -->
    <method name="Status">
      <arg name="report" type="h" direction="out"/>
    </method>
    <property name="Version" type="s" access="read"/>
    <!-- The file that was asked for at the start, whether it exists or not. -->
    <property name="ConfigFile" type="ay" access="read"/>
    <!-- Microseconds since 1970, from when on writers are known; 0: they are not. -->
    <property name="WatchingSince" type="t" access="read"/>
    <!-- Times that the kernel dropped events since then. -->
    <property name="Overflows" type="t" access="read"/>
    <!-- "fanotify", or "watchdog": writers are not known. -->
    <property name="Source" type="s" access="read"/>
    <!-- Something undeclared was written.  `path` is the directory where `count` is more than one. -->
    <signal name="Crud">
      <arg name="path" type="ay"/>
      <arg name="verdict" type="s"/>
      <arg name="unit" type="s"/>
      <arg name="bytes" type="t"/>
      <arg name="count" type="t"/>
    </signal>
  </interface>
</node>
"""
