"""placeholder"""
def draw(results, path): pass
