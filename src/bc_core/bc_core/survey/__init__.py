"""What a whole data set holds, and what is wrong with it: `bcros inspect DIR`.

survey = survey_bags([Path("out/episodes")])
Path("survey.html").write_text(render_page(survey))
"""
