"""From picture to verdict of one package: the same path for teach, evaluate, inspect and the station."""
