"""Models timed on Android devices through adb."""
