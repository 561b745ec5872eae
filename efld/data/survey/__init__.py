"""What a folder of datasets holds: what lies where, what is damaged, what it looks like.

`find` walks the folders, `look` decodes the pictures, `damage` judges the faces, `survey` puts one
report together; `text` and `sheet` show it.
"""
